"""A split that heeds what a person decided: certain where somebody looked, calibrated where nobody did."""

from dataclasses import dataclass, field, replace

import numpy as np
import torch
from jaxtyping import Int
from numpy.typing import NDArray
from sklearn.isotonic import IsotonicRegression
from torch import Tensor

from unchaff.interfaces import Partitioner
from unchaff.partition.bins import EDGES, NUM_BINS, bins_of
from unchaff.partition.keep import spare_classes
from unchaff.records import Decisions, Evidence, Partition

ENOUGH = 20  # answers of each kind, right and wrong, below which they calibrate nothing
WORTH = 5.0  # answers: what the run's own quality counts for beside them
STEEP = 0.01  # share of the old quality in the new one, so that no two samples become alike
USUAL = 0.5  # threshold of rules that name none


@dataclass(frozen=True)
class Curve:
    """A rising curve from the quality a run gave to the share of such labels that a person found right.

    Each bin with answers moves to their share, shrunk towards the quality itself; where nobody looked the
    curve stays as it was, but never falls.
    """

    at: NDArray[np.float64]
    to: NDArray[np.float64]
    answers: int

    def __call__(self, quality: Tensor) -> Tensor:
        """Return the corrected quality; the order stays."""
        old = quality.double().numpy()
        new = (1 - STEEP) * np.interp(old, self.at, self.to) + STEEP * old
        return torch.from_numpy(new).to(quality)


def curve_of(decisions: Decisions) -> Curve | None:
    """Return what the answers say of the run's quality; None where there are too few of either kind.

    Answers about labels that no run has judged say nothing here.
    """
    known = np.isfinite(decisions.quality)
    quality, is_right = decisions.quality[known], decisions.is_right[known]
    if min(int(is_right.sum()), int((~is_right).sum())) < ENOUGH:
        return None
    bins = bins_of(quality)
    anchors = [(0.0, 0.0, WORTH), (1.0, 1.0, WORTH)]  # quality, share of right ones, weight
    for each in range(NUM_BINS):
        here = bins == each
        if here.any():
            middle, count = float(quality[here].mean()), int(here.sum())
            share = (float(is_right[here].sum()) + WORTH * middle) / (count + WORTH)
            anchors.append((middle, share, count + WORTH))
        else:
            anchors += [(edge, edge, WORTH) for edge in EDGES[each : each + 2]]
    at, to, weights = map(np.array, zip(*sorted(anchors), strict=True))
    rising = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip").fit(at, to, sample_weight=weights)
    return Curve(at, rising.predict(at), len(quality))


@dataclass(frozen=True, kw_only=True)
class Decided:
    """As another rule, and then what a person decided holds, with the quality of the rest calibrated by it.

    The rule is shown the labels as they were given, also where they are known to be wrong: it learns from
    all of them how labels go wrong, and without those that were found it would take the rest for cleaner
    than it is. Where it finds no evidence of noise and a person found some, it does not abstain any more.
    """

    rule: Partitioner
    decisions: Decisions
    curve: Curve | None = field(default=None, repr=False)

    def __call__(self, evidence: Evidence) -> Partition:
        """Split."""
        evidence = replace(evidence, labels=self._given(evidence))
        split = self.rule(evidence)
        if split.abstained and not self.decisions.is_right.all():
            reason = f"{split.reason} A person found wrong labels all the same, which are acted on."
            split = replace(split, abstained=False, reason=reason)
        elif self.curve is not None and not split.abstained:
            split = self._calibrated(split, self.curve, evidence)
        return imposed(split, self.decisions)

    def _given(self, evidence: Evidence) -> Int[Tensor, " n"]:
        here = self.decisions.about(evidence.ids)
        labels = evidence.labels.clone()
        rows = torch.from_numpy(np.searchsorted(evidence.ids, here.ids))
        labels[rows] = torch.from_numpy(here.given).to(labels)
        return labels

    def _calibrated(self, split: Partition, curve: Curve, evidence: Evidence) -> Partition:
        quality = curve(split.quality)
        labels = evidence.labels.cpu().long()
        kept = spare_classes(quality > getattr(self.rule, "threshold", USUAL), quality, labels)
        reason = f"{split.reason} {curve.answers} answers of a person calibrate that."
        return replace(split, quality=quality, kept=kept, reason=reason)


def imposed(split: Partition, decisions: Decisions) -> Partition:
    """Return the split with quality 1 or 0 where a person decided."""
    here = decisions.about(split.ids)
    order = np.argsort(split.ids, kind="stable")
    rows = torch.from_numpy(order[np.searchsorted(split.ids, here.ids, sorter=order)])
    quality, kept = split.quality.clone(), split.kept.clone()
    kept[rows] = torch.from_numpy(here.kept)
    quality[rows] = kept[rows].to(quality)
    suggested = split.suggested
    if suggested is not None:
        suggested = suggested.clone()
        known = torch.from_numpy(here.kept)
        suggested[rows[known]] = torch.from_numpy(here.labels[here.kept]).to(suggested)
    return replace(split, quality=quality, kept=kept, suggested=suggested)
