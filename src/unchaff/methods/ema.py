"""Plain training, of which the running mean of the weights is handed over."""

from dataclasses import dataclass, replace
from typing import ClassVar

from unchaff.methods.anew import checked_budget, checked_share, fitted_anew, phase_within
from unchaff.records import Observed, Outcome, Trained
from unchaff.streams import Streams


@dataclass(frozen=True, kw_only=True)
class Ema:
    """A whole training on all given labels, of which the running mean of the weights is handed over.

    As it is after the last step.

    Source: Tarvainen and Valpola, arXiv 1703.01780 (exponential mean). The mean is taken over the statistics
    of normalisation as well. INFERred: the schedule is that of the recipe; without `annealed` the rate stays
    at its peak once it has risen, so that averaging stands in place of annealing, as in Izmailov et al.,
    arXiv 1803.05407, who weigh all weights alike and measure the statistics again.
    """

    decay: float = 0.999  # of the mean, from step to step; less in the first steps; 0: the last weights
    annealed: bool = True  # the rate falls as in plain training; False: it stays at its peak
    augment: bool = True
    budget: float = 1.0  # share of the recipe's epochs
    cites: ClassVar[tuple[str, ...]] = ("tarvainen2017mean", "izmailov2018averaging")
    anew: ClassVar[bool] = True  # it looks at no finished network

    def __post_init__(self) -> None:
        checked_budget(self.budget)
        checked_share("decay", self.decay, "0 is the last weights.")

    def __call__(self, trained: Trained, observed: Observed, *, streams: Streams) -> Outcome:
        """Train anew."""
        phase = phase_within(trained, observed.train, budget=self.budget, augment=self.augment)
        if not self.annealed:
            recipe = trained.recipe_for(len(observed.train))
            phase = replace(phase, lr=Level(peak=recipe.lr, rise=max(1.0, recipe.warmup * phase.steps)))
        phase = replace(phase, average=self.decay)
        fitted = fitted_anew(trained, observed.train, phase, streams=streams)
        return Outcome(model=fitted.averaged.eval(), cost=fitted.cost)


@dataclass(frozen=True, kw_only=True)
class Level:
    """Learning rate: a straight rise over `rise` steps, then the peak."""

    peak: float
    rise: float

    def __call__(self, step: int) -> float:
        return self.peak * min(1.0, (step + 1) / self.rise)
