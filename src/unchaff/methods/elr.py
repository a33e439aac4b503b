"""Train a fresh network that is held to what it said early on."""

from dataclasses import dataclass
from typing import ClassVar

from unchaff.errors import ConfigError
from unchaff.methods.anew import checked_budget, checked_share, phase_within, taught_anew
from unchaff.nets.head import outputs_of
from unchaff.records import Observed, Outcome, Trained
from unchaff.streams import Streams
from unchaff.train.targets import EarlyLearning


@dataclass(frozen=True, kw_only=True)
class Elr:
    """A whole training on all given labels with early-learning regularisation.

    Source: Liu et al., arXiv 2007.00151, equations 6 and 9; defaults for ten classes. One network, without
    mixup and averaged weights (those of ELR+).
    """

    decay: float = 0.7  # of the remembered predictions, from epoch to epoch (beta of the paper)
    strength: float = 3.0  # weight of the regulariser (lambda); 0: plain training
    augment: bool = True
    budget: float = 1.0  # share of the recipe's epochs
    cites: ClassVar[tuple[str, ...]] = ("liu2020early",)
    anew: ClassVar[bool] = True  # it looks at no finished network

    def __post_init__(self) -> None:
        checked_budget(self.budget)
        checked_share("decay", self.decay, "The paper has 0.7.")
        if self.strength < 0:
            raise ConfigError(f"strength must be 0 or more, got {self.strength}. 0 is plain training.")

    def __call__(self, trained: Trained, observed: Observed, *, streams: Streams) -> Outcome:
        """Train anew."""
        train = observed.train
        phase = phase_within(trained, train, budget=self.budget, augment=self.augment)
        width = outputs_of(trained.model, next(train.batches(2)).inputs)
        loss = EarlyLearning.over(len(train), width, train.device, decay=self.decay, strength=self.strength)
        return taught_anew(trained, train, phase, loss, streams=streams)
