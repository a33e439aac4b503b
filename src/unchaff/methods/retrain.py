"""Train a fresh network by the same recipe, on all given labels or on a chosen part."""

from dataclasses import dataclass, field, replace
from typing import ClassVar

from unchaff.attribute.readout import Readout
from unchaff.interfaces import Attributor, Partitioner
from unchaff.methods.anew import checked_budget, fitted_anew, phase_within
from unchaff.partition.transition import Transition
from unchaff.records import Observed, Outcome, Partition, Trained
from unchaff.samples import Samples
from unchaff.streams import Streams
from unchaff.train.initial import with_recipe


@dataclass(frozen=True, kw_only=True)
class Retrain:
    """A whole training on all given labels, from new weights, with the augmentation repair uses.

    Source: the standard baseline; annealed, unlike the one of arXiv 2506.11615.
    """

    augment: bool = True
    budget: float = 1.0  # share of the recipe's epochs; the schedule shrinks with it
    anew: ClassVar[bool] = True  # it looks at no finished network

    def __post_init__(self) -> None:
        checked_budget(self.budget)

    def __call__(self, trained: Trained, observed: Observed, *, streams: Streams) -> Outcome:
        """Train anew."""
        return retrained(trained, observed.train, self, streams=streams)


@dataclass(frozen=True, kw_only=True)
class RetrainKept:
    """Score the finished network, and train a fresh one on the samples it keeps.

    Source: the `retrain` row of arXiv 2506.11615, with a working selection.
    """

    attribute: Attributor = field(default_factory=Readout)
    partition: Partitioner = field(default_factory=Transition)
    training: Retrain = field(default_factory=Retrain)

    def __call__(self, trained: Trained, observed: Observed, *, streams: Streams) -> Outcome:
        """Split and train anew."""
        evidence = self.attribute(trained, observed, streams=streams)
        split = self.partition(evidence)
        kept = observed.train.select(split.kept_ids)
        known = with_recipe(trained, observed.train)
        outcome = retrained(known, kept, self.training, streams=streams, partition=split)
        return replace(outcome, cost=evidence.cost + outcome.cost)


def retrained(
    trained: Trained,
    samples: Samples,
    training: Retrain,
    *,
    streams: Streams,
    partition: Partition | None = None,
) -> Outcome:
    """Train a freshly initialised copy on these samples."""
    phase = phase_within(trained, samples, budget=training.budget, augment=training.augment)
    fitted = fitted_anew(trained, samples, phase, streams=streams, name="retrain")
    return Outcome(model=fitted.model.eval(), partition=partition, cost=fitted.cost)
