"""The default split, with how each label was learned weighed in where a training was recorded."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from unchaff.partition.keep import spare_classes
from unchaff.partition.transition import Transition
from unchaff.records import Evidence, Partition, TrainingRecord
from unchaff.samples import Ids

NEARLY_ALL = 0.9  # of the samples that are in the record
CERTAIN = 1e-6  # nothing is more certain than this, so that a record can still speak


@dataclass(frozen=True, kw_only=True)
class Recorded(Transition):
    """As Transition, and then the odds of each label are multiplied by what its margins say.

    Right labels are learned early and wrong ones late. The quality of Transition says who is probably
    right; the margins of both groups, averaged over the first epochs, are taken for Gaussians of one width,
    and their ratio to the power of `weight` is the factor: margin and quality fall together for the same hard
    samples, and would be counted twice in full. How many epochs: where the two lie furthest apart, for in
    late ones all is known by heart. Where they are not clearly apart nothing is changed, and where
    Transition abstains, so does this.

    Source: ours; the margins are those of Pleiss et al., arXiv 2001.10528, over all epochs there.
    """

    record: TrainingRecord | None = None
    apart: float = 2.5  # Ashman's D above which the two groups count as apart
    weight: float = 0.5  # of the log odds; 1 would be right if margin and read-out were independent

    def __call__(self, evidence: Evidence) -> Partition:
        """Split.

        Raises:
            ConfigError: the evidence holds no opinion per class.
        """
        split = super().__call__(evidence)
        if self.record is None or split.abstained:
            return split
        groups = furthest(_margins(self.record, evidence.ids), split.quality.double())
        split = replace(split, evidence={**split.evidence, "recorded_margin": groups.margins.float()})
        if not groups.distance > self.apart:
            said = "In the record, right and wrong labels are not clearly apart: it is left aside."
            return replace(split, reason=f"{split.reason} {said}")
        quality = groups.weighed(split.quality.double(), self.weight).float()
        return replace(
            split,
            quality=quality,
            kept=spare_classes(quality > self.threshold, quality, evidence.labels.cpu().long()),
            reason=f"{split.reason} Of {len(self.record.margins)} recorded epochs the first {groups.epochs} "
            "are weighed in.",
        )


@dataclass(frozen=True)
class Groups:
    """The margins of the labels that are probably right, and of the others, over the first epochs."""

    epochs: int
    margins: Float[Tensor, " n"]  # means; NaN where not seen
    right: float
    wrong: float
    variance: float  # within both
    distance: float  # Ashman's D, negative where the right ones have the lower margins

    def weighed(self, quality: Float[Tensor, " n"], weight: float) -> Float[Tensor, " n"]:
        """Return the quality after the margins were heard; as it was where there is none."""
        middle = (self.right + self.wrong) / 2
        ratio = (self.right - self.wrong) / self.variance * (self.margins - middle)
        heard = torch.sigmoid(torch.logit(quality, eps=CERTAIN) + weight * ratio)
        return torch.where(self.margins.isfinite(), heard, quality)


def furthest(margins: Float[Tensor, "epochs n"], quality: Float[Tensor, " n"]) -> Groups:
    """Return the groups after as many epochs as set them furthest apart.

    Epochs before nearly all of the samples were seen do not count: the few may be apart by chance.
    """
    means = margins.nan_to_num(0.0).cumsum(0) / margins.isfinite().cumsum(0)  # NaN until first seen
    seen = means.isfinite().sum(1)
    enough = (seen >= NEARLY_ALL * seen[-1]).nonzero().squeeze(1).tolist()
    return max(
        (_groups(epoch + 1, means[epoch], quality) for epoch in enough),
        key=lambda groups: groups.distance,
    )


def _groups(epochs: int, margins: Float[Tensor, " n"], quality: Float[Tensor, " n"]) -> Groups:
    seen = margins.isfinite()
    values, shares = margins[seen], quality[seen]
    sides = []
    for weight in (shares, 1 - shares):
        total = weight.sum().clamp_min(1e-9)
        mean = (weight * values).sum() / total
        sides.append((total, mean, (weight * (values - mean).square()).sum() / total))
    (more, right, spread), (less, wrong, other) = sides
    apart = (right - wrong) * (2 / (spread + other).clamp_min(1e-12)).sqrt()
    variance = (more * spread + less * other) / (more + less)
    return Groups(epochs, margins, float(right), float(wrong), max(float(variance), 1e-12), float(apart))


def _margins(record: TrainingRecord, ids: Ids) -> Float[Tensor, "epochs n"]:
    """Return the margins of these samples; NaN for those that are not in the record."""
    rows = np.searchsorted(record.ids, ids).clip(max=len(record.ids) - 1)
    is_known = torch.from_numpy(record.ids[rows] == ids)
    return torch.where(is_known, record.margins[:, torch.from_numpy(rows)].double(), torch.nan)
