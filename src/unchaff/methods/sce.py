"""Train a fresh network with the symmetric cross-entropy."""

from dataclasses import dataclass
from typing import ClassVar

from unchaff.methods.anew import checked_budget, phase_within, taught_anew
from unchaff.records import Observed, Outcome, Trained
from unchaff.streams import Streams
from unchaff.train.targets import Symmetric


@dataclass(frozen=True, kw_only=True)
class Sce:
    """A whole training on all given labels with cross-entropy in both directions.

    Source: Wang et al., arXiv 1908.06112, equation 7; defaults for ten classes.
    """

    alpha: float = 0.1  # weight of the cross-entropy
    beta: float = 1.0  # weight of the reverse one; 0: plain training
    log_zero: float = -4.0  # A of the paper, what stands for log 0; below 0
    augment: bool = True
    budget: float = 1.0  # share of the recipe's epochs
    cites: ClassVar[tuple[str, ...]] = ("wang2019symmetric",)
    anew: ClassVar[bool] = True  # it looks at no finished network

    def __post_init__(self) -> None:
        checked_budget(self.budget)
        self._loss()

    def __call__(self, trained: Trained, observed: Observed, *, streams: Streams) -> Outcome:
        """Train anew."""
        phase = phase_within(trained, observed.train, budget=self.budget, augment=self.augment)
        return taught_anew(trained, observed.train, phase, self._loss(), streams=streams)

    def _loss(self) -> Symmetric:
        return Symmetric(self.alpha, self.beta, self.log_zero)
