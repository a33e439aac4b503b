"""Train a fresh network on what cleanlab calls no label issue."""

from dataclasses import dataclass, field, replace
from typing import ClassVar

from unchaff.methods.anew import checked_budget, fitted_anew, phase_within
from unchaff.methods.out_of_fold import ConfidentLearning
from unchaff.nets.flops import forward
from unchaff.partition.keep import spare_classes
from unchaff.records import Observed, Outcome, Trained
from unchaff.streams import Streams
from unchaff.train.initial import full_cost, with_recipe


@dataclass(frozen=True, kw_only=True)
class CleanAndRetrain:
    """Judge each sample by networks that did not see it, leave out the label issues, and train anew.

    The trainings of the folds and the last one are shortened alike: of a budget of `folds`, the folds take
    all but one full training, and what is left goes into the last. On fewer samples that is more epochs.
    The pass in which all samples are judged is paid for first.

    Source: Northcutt et al., arXiv 1911.00068, pruned by noise rate as in cleanlab; there the last training
    is Co-teaching, here it is plain. No class vanishes, which is ours.
    """

    budget: float = 3.0  # operations of everything, as a share of one full training
    detector: ConfidentLearning = field(default_factory=ConfidentLearning)
    augment: bool = True  # in the last training; that of the folds is said by the detector
    cites: ClassVar[tuple[str, ...]] = ("northcutt2021confident",)
    anew: ClassVar[bool] = True  # it looks at no finished network

    def __post_init__(self) -> None:
        checked_budget(self.budget)

    def __call__(self, trained: Trained, observed: Observed, *, streams: Streams) -> Outcome:
        """Judge, split and train anew."""
        trained = with_recipe(trained, observed.train)
        full = full_cost(trained, observed.train).flops
        judging = forward(trained.model, next(observed.train.batches(2)).inputs) * len(observed.train) / full
        length = (self.budget - judging) / self.detector.folds
        evidence = self.detector(trained, observed, streams=streams.fork("folds"), length=length)
        split = self.detector.split(evidence)
        split = replace(split, kept=spare_classes(split.kept, split.quality, evidence.labels))
        kept = observed.train.select(split.kept_ids)
        left = self.budget - evidence.cost.flops / full
        price = full_cost(trained, kept).flops / full  # of a training on fewer samples
        phase = phase_within(trained, kept, budget=left, price=price, augment=self.augment)
        fitted = fitted_anew(trained, kept, phase, streams=streams, name="retrain")
        note = f"Of the labels, {1 - split.kept_share:.1%} are issues to cleanlab and were left out."
        return Outcome(
            model=fitted.model.eval(), partition=split, cost=evidence.cost + fitted.cost, notes=(note,)
        )
