"""The two passes over the data: sums for the read-out, and what it says of each sample, in shards."""

import copy
from dataclasses import dataclass, replace

import pyarrow as pa
import torch
from torch import Tensor

from unchaff.attribute.inputs import Reader
from unchaff.attribute.observe import Walk
from unchaff.attribute.passes import added
from unchaff.attribute.readout import OPINION, Readout
from unchaff.attribute.ridge import Ridge, Sums
from unchaff.data import Skipped
from unchaff.engine.rows import Portion
from unchaff.engine.store import Store
from unchaff.records import Cost, Observed, Trained
from unchaff.samples import Samples
from unchaff.shards import whole

SHARDS = "unfinished/evidence"  # folder in the store
SHOWN = 5  # skipped samples of a unit that are named


def shard(number: int) -> str:
    """Return the name of the shard of a unit."""
    return f"{SHARDS}/{number:05d}"


@dataclass(frozen=True)
class Seen:
    """What came of a unit."""

    named: tuple[Skipped, ...]  # the first of the rows that were skipped
    cost: Cost
    sums: dict[str, Tensor]  # empty: none were made


def _seen(portion: Portion, cost: Cost, sums: dict[str, Tensor] | None = None) -> Seen:
    return Seen(portion.skipped[:SHOWN], cost, sums or {})


@dataclass(frozen=True)
class Looker:
    """A network and how it is read out: the same for all units, and never changed."""

    trained: Trained
    readout: Readout
    reader: Reader | None  # of inputs, where these are read

    @classmethod
    def of(cls, trained: Trained, readout: Readout, example: Samples) -> "Looker":
        """Settle, by some samples, what must not differ from unit to unit."""
        return cls(trained, readout, readout.walk(trained, Observed(train=example)).reader)

    def placed(self, device: torch.device) -> "Looker":
        """Return one that looks on this device."""
        here = copy.deepcopy(self.trained.model).to(device)
        return replace(self, trained=replace(self.trained, model=here))

    def walk(self, samples: Samples) -> Walk:
        """Return the walk over some samples, where the network is."""
        device = next((each.device for each in self.trained.model.parameters()), torch.device("cpu"))
        return self.readout.walk(self.trained, Observed(train=samples.to(device)), reader=self.reader)


@dataclass(frozen=True)
class SumUp:
    """Adds up what the layers read in a unit."""

    looker: Looker

    def placed(self, device: torch.device) -> "SumUp":
        """Return one that looks on this device."""
        return replace(self, looker=self.looker.placed(device))

    def __call__(self, portion: Portion) -> Seen:
        """Return the sums."""
        if portion.samples is None:
            return _seen(portion, Cost())
        walk, sums = self.looker.walk(portion.samples), Sums(portion.samples.num_classes)
        added(walk, sums, lambda chunk: sums.add(chunk.features, chunk.labels))
        return _seen(portion, walk.bill(), sums.state())


@dataclass(frozen=True)
class Note:
    """Writes what the read-out says of each sample of a unit into a shard."""

    looker: Looker
    ridge: Ridge
    store: Store

    def placed(self, device: torch.device) -> "Note":
        """Return one that looks on this device."""
        return replace(self, looker=self.looker.placed(device))

    def __call__(self, portion: Portion) -> Seen:
        """Write, and say how much."""
        samples, name = portion.samples, shard(portion.unit.number)
        if samples is None:
            self.store.put_sealed(name, pa.table({"id": pa.array([], pa.int64())}))
            return _seen(portion, Cost())
        evidence = self.looker.readout.scored(self.looker.walk(samples), self.ridge)
        columns = {"id": pa.array(samples.ids), "label": pa.array(samples.labels.cpu().numpy())}
        if evidence.suggested is not None:
            columns["suggested_label"] = pa.array(evidence.suggested.numpy())
        columns |= {key: pa.array(each.numpy()) for key, each in evidence.columns.items()}
        for key, wide in evidence.opinions.items():
            opinion = whole(wide).contiguous().numpy()
            flat = pa.array(opinion.reshape(-1))
            columns[f"{OPINION}{key}"] = pa.FixedSizeListArray.from_arrays(flat, opinion.shape[1])
        self.store.put_sealed(name, pa.table(columns))
        return _seen(portion, evidence.cost)
