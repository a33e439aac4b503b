"""Ways to find what is wrong with the same finished network at hand."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import torch
from scipy.stats import rankdata

from unchaff.attribute.margin import Margin
from unchaff.attribute.observe import Walk
from unchaff.attribute.published import Published
from unchaff.attribute.readout import Readout
from unchaff.attribute.trajectory import Trajectory
from unchaff.bench.ablations import EVIDENCE
from unchaff.bench.baselines import TracIn
from unchaff.errors import ConfigError
from unchaff.interfaces import Attributor
from unchaff.methods.out_of_fold import ConfidentLearning
from unchaff.partition.mixture import Mixture, everything
from unchaff.partition.transition import Transition
from unchaff.records import Evidence, Observed, Partition, Trained
from unchaff.streams import Streams


@dataclass(frozen=True, kw_only=True)
class FinalLoss:
    """Minus the loss of the given label under the finished network.

    Source: the usual first thing to try; it finds little once labels are known by heart.
    """

    def __call__(self, trained: Trained, observed: Observed, *, streams: Streams) -> Evidence:
        """Score every training sample; higher is more trustworthy."""
        walk = Walk(trained.model, observed.train, 0.5, views=("plain",))
        labels = observed.train.labels.cpu()
        own = [
            chunk.log_probs.cpu().gather(1, chunk.labels.cpu()[:, None]).squeeze(1).float()
            for chunk in walk
            if chunk.log_probs is not None
        ]
        total = torch.cat(own)
        return Evidence(
            ids=observed.train.ids, labels=labels, total=total, columns={"loss": -total}, cost=walk.bill()
        )


@dataclass(frozen=True, kw_only=True)
class Detector:
    """Evidence, and the rule that splits by it where it has one."""

    evidence: Attributor
    rule: Callable[[Evidence], Partition] | None = None  # None: it only ranks

    def __call__(
        self, trained: Trained, observed: Observed, *, streams: Streams
    ) -> tuple[Evidence, Partition]:
        """Return the evidence and a split; without a rule the split ranks by the bare evidence."""
        found = self.evidence(trained, observed, streams=streams)
        if self.rule is not None:
            return found, self.rule(found)
        ranks = torch.from_numpy(rankdata(found.total.numpy()) / len(found.total)).float()
        return found, everything(found, "Ranks only.", quality=ranks)


DETECTORS: Mapping[str, Detector] = MappingProxyType(
    {
        "final-loss": Detector(evidence=FinalLoss()),
        "final-margin": Detector(evidence=Margin(draws=0)),
        "augmented-margin": Detector(evidence=Margin()),
        "small-loss-mixture": Detector(evidence=FinalLoss(), rule=Mixture(adjust=False)),
        "published": Detector(evidence=Published()),
        "readout": Detector(evidence=Readout(), rule=Transition()),
        "readout-mixture": Detector(evidence=Readout(), rule=Mixture()),
        "trajectory": Detector(evidence=Trajectory(), rule=Mixture()),
        "confident-learning": Detector(evidence=ConfidentLearning(), rule=ConfidentLearning.split),
        "tracin-self-influence": Detector(evidence=TracIn()),
        **{name: Detector(evidence=each) for name, each in EVIDENCE.items()},
    }
)


def detector(name: str) -> Detector:
    """Return a detector by name.

    Raises:
        ConfigError: there is none of this name.
    """
    if name not in DETECTORS:
        raise ConfigError(f"There is no detector {name!r}. Allowed: {', '.join(DETECTORS)}.")
    return DETECTORS[name]
