"""The two passes over the data: sums for the read-out, and what it says of each sample, in shards."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from unchaff.attribute.chunks import Chunk
from unchaff.attribute.inputs import Reader
from unchaff.attribute.observe import Walk
from unchaff.attribute.readout import OPINION, Readout
from unchaff.attribute.ridge import Ridge, Sums
from unchaff.data import Skipped
from unchaff.engine.rows import Portion, Rows
from unchaff.engine.store import Store
from unchaff.engine.units import Unit
from unchaff.errors import RunFolderError
from unchaff.records import Observed, Trained
from unchaff.samples import Samples
from unchaff.shards import array_of, tensor_of

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
    def reads(self) -> str:
        """Folder of what layers read, which the second pass looks up."""
        return f"{UNFINISHED}/reads-{self.number}"

    def read(self, unit: Unit) -> str:
        """Return the name of what layers read of a unit."""
        return f"{self.reads}/{unit.number:05d}"

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
    """What came of a unit in the first pass."""

    named: tuple[Skipped, ...]  # the first of the rows that were skipped
    sums: dict[str, Tensor]  # empty: there was no usable row


@dataclass(frozen=True)
class Looker:
    """A network and how it is read out: the same for all units, and never changed."""

    trained: Trained
    readout: Readout
    views: tuple[str, ...] | None  # None: all that leave the label right
    reader: Reader | None = None  # of inputs, where these are read

    def placed(self, device: torch.device) -> "Looker":
        """Return one that looks on this device."""
        return replace(self, trained=self.trained.copied_to(device))

    def walk(self, samples: Samples) -> Walk:
        """Return the walk over some samples, where the network is."""
        device = next((each.device for each in self.trained.model.parameters()), torch.device("cpu"))
        seen = Observed(train=samples.to(device))
        return self.readout.walk(self.trained, seen, views=self.views, reader=self.reader)


@dataclass(frozen=True)
class SumUp:
    """The first pass: adds up what the layers read in a unit, and leaves it for the second."""

    looker: Looker
    store: Store
    look: Look
    remembers: bool  # what layers read is left in the store

    def placed(self, device: torch.device) -> "SumUp":
        """Return one that looks on this device."""
        return replace(self, looker=self.looker.placed(device))

    def __call__(self, portion: Portion) -> Seen:
        """Return the sums."""
        samples, named = portion.samples, portion.skipped[:SHOWN]
        if samples is None:
            return Seen(named, {})
        sums, chunks = Sums(samples.num_classes), list[Chunk]()
        for chunk in self.looker.walk(samples):
            sums.add(chunk.features, chunk.labels)
            chunks += [chunk] if self.remembers else []
        if chunks:
            self.store.put_sealed(self.look.read(portion.unit), _left(samples, chunks))
        return Seen(named, sums.state())


def _left(samples: Samples, chunks: Sequence[Chunk]) -> pa.Table:
    """Return what layers read, as a table."""
    columns = {"id": pa.array(samples.ids), "label": array_of(samples.labels)}
    columns["features"] = array_of(torch.cat([chunk.features for chunk in chunks]))
    heard = [chunk.log_probs for chunk in chunks if chunk.log_probs is not None]
    return pa.table(columns | ({"log_probs": array_of(torch.cat(heard))} if heard else {}))


@dataclass(frozen=True)
class Recall:
    """Reads what the first pass has left of a unit; where that is nothing, its rows."""

    rows: Rows
    store: Store
    look: Look

    def __call__(self, unit: Unit) -> Portion:
        """Return one or the other."""
        left = self.store.sealed(self.look.read(unit))
        return self.rows.read(unit) if left is None else Portion(unit, None, recalled=left)


@dataclass(frozen=True)
class Note:
    """The second pass: writes what the read-out says of each sample of a unit into a shard."""

    looker: Looker
    ridge: Ridge
    store: Store
    look: Look

    def placed(self, device: torch.device) -> "Note":
        """Return one that looks on this device."""
        return replace(self, looker=self.looker.placed(device))

    def __call__(self, portion: Portion) -> None:
        """Write."""
        columns = self._known(portion)
        name = self.look.shard(portion.unit)
        self.store.put_sealed(name, pa.table(columns or {"id": pa.array([], pa.int64())}))

    def _known(self, portion: Portion) -> dict[str, pa.Array | pa.ChunkedArray]:
        """Return the columns of a shard; none where no row is usable."""
        left = portion.recalled
        if left is not None:
            ids, labels, chunks = left.column("id"), left.column("label"), iter([_chunk(left)])
        elif portion.samples is not None:
            ids, labels = pa.array(portion.samples.ids), array_of(portion.samples.labels)
            chunks = iter(self.looker.walk(portion.samples))
        else:
            return {}
        said = [self.looker.readout.said(self.ridge, chunk) for chunk in chunks]
        found = {key: array_of(torch.cat([each[key] for each in said])) for key in said[0]}
        columns = {"id": ids, "label": labels, "suggested_label": found.pop("suggested")}
        del found["confidence"]
        return columns | found | self._earlier(portion.unit)

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
                f"{self.store.path(name)} is not as it was written. Go on with --resume, which makes it anew."
            )
        said = [each for each in table.column_names if each not in ("id", "label", "suggested_label")]
        return {_named_earlier(each): table.column(each) for each in said}


def _chunk(left: pa.Table) -> Chunk:
    """Return what layers read of a unit, as it was left."""
    features, names = tensor_of(left.column("features")), left.column_names
    return Chunk(
        rows=np.arange(len(left)),
        labels=tensor_of(left.column("label")),
        features=features,
        moments=features,
        log_probs=tensor_of(left.column("log_probs")) if "log_probs" in names else None,
        has_channels=False,
    )


def _named_earlier(column: str) -> str:
    kind = OPINION if column.startswith(OPINION) else ""
    return f"{kind}{EARLIER}{column.removeprefix(kind)}"
