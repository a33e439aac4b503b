"""What methods have in common that make a finished network forget: the split, and its two parts."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from torch import nn

from unchaff.copies import copied
from unchaff.interfaces import Attributor, Partitioner
from unchaff.records import Cost, Observed, Outcome, Partition, Trained
from unchaff.samples import Samples
from unchaff.streams import Streams

FEWEST = 2  # samples of a part: one alone is no batch for a network with batch normalisation


@runtime_checkable
class Splits(Protocol):
    """A method that splits by the finished network before it changes it."""

    @property
    def attribute(self) -> Attributor:
        """What judges the samples."""
        ...

    @property
    def partition(self) -> Partitioner:
        """What splits them."""
        ...


@dataclass(frozen=True)
class Divided:
    """The training samples in two parts, and what that took."""

    samples: Samples
    split: Partition
    cost: Cost

    @property
    def kept(self) -> Samples:
        """Samples to go on knowing."""
        return self.samples.select(self.split.kept_ids)

    @property
    def rejected(self) -> Samples:
        """Samples to forget."""
        return self.samples.select(self.split.ids[~self.split.kept.numpy()])

    @property
    def is_whole(self) -> bool:
        """Whether there is nothing to forget."""
        rejected, kept = int((~self.split.kept).sum()), int(self.split.kept.sum())
        return self.split.abstained or min(rejected, kept) < FEWEST

    def untouched(self, trained: Trained) -> Outcome:
        """Return the network as it came, and why."""
        lacks = "kept" if int(self.split.kept.sum()) < FEWEST else "to forget"
        note = f"There is nothing {lacks}, so the network is as it was. {self.split.reason}".strip()
        model = copied(trained.model).eval()
        return Outcome(model=model, partition=self.split, cost=self.cost, notes=(note,))

    def outcome(self, model: nn.Module, cost: Cost, *notes: str) -> Outcome:
        """Return the changed network; `cost` is that of the change."""
        return Outcome(model=model.eval(), partition=self.split, cost=self.cost + cost, notes=notes)


def divided(method: Splits, trained: Trained, observed: Observed, *, streams: Streams) -> Divided:
    """Judge the samples with the finished network, and split."""
    evidence = method.attribute(trained, observed, streams=streams)
    return Divided(observed.train, method.partition(evidence), evidence.cost)
