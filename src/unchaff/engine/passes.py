"""The two passes over the data: sums for the read-out, and what it says of each sample, in shards."""

import copy
from dataclasses import dataclass, replace

import pyarrow as pa
import torch
from torch import Tensor

from unchaff.attribute.inputs import Reader
from unchaff.attribute.observe import Walk
from unchaff.attribute.passes import added
from unchaff.attribute.readout import OPINION, WALKS, Readout
from unchaff.attribute.ridge import Ridge, Sums, flops_per_sample
from unchaff.data import Skipped
from unchaff.engine.rows import Portion
from unchaff.engine.store import Store
from unchaff.engine.units import Unit
from unchaff.errors import RunFolderError
from unchaff.records import Observed, Trained
from unchaff.samples import Samples
from unchaff.shards import whole

UNFINISHED = "unfinished"  # folder in the store of what is needed only until the run is finished
QUALITY = "quality"  # folder of what the run is for
EARLIER = "first_"  # begins the name of what an earlier look said
SHOWN = 5  # skipped samples of a unit that are named


@dataclass(frozen=True)
class Look:
    """One look at all samples: where it leaves what it finds, and which look it remembers."""

    number: int = 1
    is_last: bool = True
    remembers: "Look | None" = None

    @property
    def sums(self) -> str:
        """Name of the sums of the read-out."""
        return f"{UNFINISHED}/sums-{self.number}.safetensors"

    @property
    def folder(self) -> str:
        """Folder of the shards of evidence."""
        return f"{UNFINISHED}/evidence-{self.number}"

    def shard(self, unit: Unit) -> str:
        """Return the name of the shard of a unit."""
        return f"{self.folder}/{unit.number:05d}"

    def quality(self, unit: Unit) -> str:
        """Return the name of the file of the quality of the samples of a unit."""
        folder = QUALITY if self.is_last else f"{UNFINISHED}/{QUALITY}-{self.number}"
        return f"{folder}/part-{unit.number:05d}.parquet"


@dataclass(frozen=True)
class Seen:
    """What came of a unit."""

    named: tuple[Skipped, ...]  # the first of the rows that were skipped
    sums: dict[str, Tensor]  # empty: none were made


def _seen(portion: Portion, sums: dict[str, Tensor] | None = None) -> Seen:
    return Seen(portion.skipped[:SHOWN], sums or {})


@dataclass(frozen=True)
class Looker:
    """A network and how it is read out: the same for all units, and never changed."""

    trained: Trained
    readout: Readout
    views: tuple[str, ...] | None  # None: all that leave the label right
    reader: Reader | None = None  # of inputs, where these are read

    def settled(self, example: Samples) -> "Looker":
        """Settle, by some samples, what must not differ from unit to unit."""
        return replace(self, reader=self.walk(example).reader)

    def flops(self, example: Samples) -> float:
        """Return the operations that both passes take for one sample."""
        walk = self.walk(example)
        solving = flops_per_sample(walk.width, example.num_classes)
        return WALKS * walk.expected_flops(1) / len(example) + solving

    def placed(self, device: torch.device) -> "Looker":
        """Return one that looks on this device."""
        here = copy.deepcopy(self.trained.model).to(device)
        return replace(self, trained=replace(self.trained, model=here))

    def walk(self, samples: Samples) -> Walk:
        """Return the walk over some samples, where the network is."""
        device = next((each.device for each in self.trained.model.parameters()), torch.device("cpu"))
        seen = Observed(train=samples.to(device))
        return self.readout.walk(self.trained, seen, views=self.views, reader=self.reader)


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
            return _seen(portion)
        walk, sums = self.looker.walk(portion.samples), Sums(portion.samples.num_classes)
        added(walk, sums, lambda chunk: sums.add(chunk.features, chunk.labels))
        return _seen(portion, sums.state())


@dataclass(frozen=True)
class Note:
    """Writes what the read-out says of each sample of a unit into a shard."""

    looker: Looker
    ridge: Ridge
    store: Store
    look: Look

    def placed(self, device: torch.device) -> "Note":
        """Return one that looks on this device."""
        return replace(self, looker=self.looker.placed(device))

    def __call__(self, portion: Portion) -> Seen:
        """Write, and say how much."""
        samples, name = portion.samples, self.look.shard(portion.unit)
        if samples is None:
            self.store.put_sealed(name, pa.table({"id": pa.array([], pa.int64())}))
            return _seen(portion)
        evidence = self.looker.readout.scored(self.looker.walk(samples), self.ridge)
        columns = {"id": pa.array(samples.ids), "label": pa.array(samples.labels.cpu().numpy())}
        if evidence.suggested is not None:
            columns["suggested_label"] = pa.array(evidence.suggested.numpy())
        columns |= {key: pa.array(each.numpy()) for key, each in evidence.columns.items()}
        for key, wide in evidence.opinions.items():
            opinion = whole(wide).contiguous().numpy()
            flat = pa.array(opinion.reshape(-1))
            columns[f"{OPINION}{key}"] = pa.FixedSizeListArray.from_arrays(flat, opinion.shape[1])
        self.store.put_sealed(name, pa.table({**columns, **self._earlier(portion.unit)}))
        return _seen(portion)

    def _earlier(self, unit: Unit) -> dict[str, pa.ChunkedArray]:
        """Return what the look that is remembered said of the same samples.

        Raises:
            RunFolderError: it cannot be read any more.
        """
        if self.look.remembers is None:
            return {}
        name = self.look.remembers.shard(unit)
        table = self.store.sealed(name)
        if table is None:
            raise RunFolderError(
                f"{self.store.path(name)} is not as it was written. Begin anew with --overwrite."
            )
        said = [each for each in table.column_names if each not in ("id", "label", "suggested_label")]
        return {_named_earlier(each): table.column(each) for each in said}


def _named_earlier(column: str) -> str:
    kind = OPINION if column.startswith(OPINION) else ""
    return f"{kind}{EARLIER}{column.removeprefix(kind)}"
