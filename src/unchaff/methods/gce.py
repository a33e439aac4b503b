"""Train a fresh network with the generalised cross-entropy."""

from dataclasses import dataclass
from typing import ClassVar

from unchaff.methods.anew import checked_budget, phase_within, taught_anew
from unchaff.records import Observed, Outcome, Trained
from unchaff.streams import Streams
from unchaff.train.targets import Generalised


@dataclass(frozen=True, kw_only=True)
class Gce:
    """A whole training on all given labels with a loss that minds hopeless labels less.

    Source: Zhang and Sabuncu, arXiv 1805.07836, equation 6, not truncated.
    """

    q: float = 0.7  # 0: cross-entropy; 1: the mean absolute error
    augment: bool = True
    budget: float = 1.0  # share of the recipe's epochs
    cites: ClassVar[tuple[str, ...]] = ("zhang2018generalized",)
    anew: ClassVar[bool] = True  # it looks at no finished network

    def __post_init__(self) -> None:
        checked_budget(self.budget)
        Generalised(self.q)

    def __call__(self, trained: Trained, observed: Observed, *, streams: Streams) -> Outcome:
        """Train anew."""
        phase = phase_within(trained, observed.train, budget=self.budget, augment=self.augment)
        return taught_anew(trained, observed.train, phase, Generalised(self.q), streams=streams)
