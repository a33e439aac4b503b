"""What a perfect selection would give; takes the truth in plain sight."""

from dataclasses import dataclass, field
from typing import ClassVar

import torch

from unchaff.methods.retrain import Retrain, retrained
from unchaff.records import Evidence, Observed, Outcome, Partition, Trained, Truth
from unchaff.streams import Streams
from unchaff.train.initial import with_recipe


@dataclass(frozen=True, kw_only=True)
class Oracle:
    """A whole training, by the same recipe, on the truly good samples only.

    Source: the usual upper reference. Not a method: it reads the truth.
    """

    truth: Truth
    training: Retrain = field(default_factory=Retrain)
    anew: ClassVar[bool] = True

    def __call__(self, trained: Trained, observed: Observed, *, streams: Streams) -> Outcome:
        """Train anew on what is right."""
        truth = self.truth.select(observed.train.ids)
        good = observed.train.select(truth.ids[~truth.is_noisy.numpy()])
        return retrained(with_recipe(trained, observed.train), good, self.training, streams=streams)


@dataclass(frozen=True, kw_only=True)
class KnownSplit:
    """Keeps what is truly right, whatever the evidence says; quality is 1 or 0.

    A control for methods that are given a split: what they would do with a perfect one.
    """

    truth: Truth = field(repr=False)

    def __call__(self, evidence: Evidence) -> Partition:
        """Split by the truth."""
        truth = self.truth.select(evidence.ids)
        right = ~truth.is_noisy
        return Partition(
            ids=evidence.ids,
            quality=right.float(),
            kept=right,
            suggested=truth.true_label,
            abstained=bool(right.all()),
            reason="The split is the truth.",
        )


@dataclass(frozen=True, kw_only=True)
class Unjudged:
    """No evidence at all, at no cost: for a split that needs none."""

    def __call__(self, trained: Trained, observed: Observed, *, streams: Streams) -> Evidence:
        """Say nothing about each sample."""
        samples = observed.train
        return Evidence(ids=samples.ids, labels=samples.labels.cpu(), total=torch.zeros(len(samples)))
