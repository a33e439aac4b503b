"""The files of a record: one Parquet file per epoch and process, one row per sample."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from unchaff.bounded import read_table
from unchaff.data.parquet import plain_ids
from unchaff.errors import DataError
from unchaff.samples import Ids
from unchaff.whole import parquet, put

PATTERN = "epoch-*.rank-*.parquet"
NAME = re.compile(r"epoch-\d+\.rank-(?P<rank>\d+)\.parquet")
COLUMNS = ("epoch", "id", "label", "margin")  # that are read
LABEL = pa.int32()


@dataclass(frozen=True, kw_only=True)
class Shard:
    """One epoch as one process saw it; ids may repeat, and then the first row counts."""

    epoch: int
    ids: Ids
    labels: NDArray[np.int64]
    margins: NDArray[np.float32]  # NaN where the outputs were not finite


def place(folder: Path, epoch: int, rank: int) -> Path:
    """Return the file of an epoch."""
    return folder / f"epoch-{epoch:05d}.rank-{rank:03d}.parquet"


def epochs_in(folder: Path, rank: int) -> list[int]:
    """Return the epochs that a process has written, in order."""
    found = (NAME.fullmatch(file.name) for file in folder.glob(PATTERN))
    names = [match.group() for match in found if match is not None and int(match["rank"]) == rank]
    return sorted(int(name.partition(".")[0].removeprefix("epoch-")) for name in names)


def write(folder: Path, shard: Shard, losses: NDArray[np.float32], *, rank: int) -> None:
    """Write an epoch: whole, or not at all; one that is there is replaced.

    Raises:
        WriteError: it cannot be written.
    """
    ids, first = np.unique(shard.ids, return_index=True)
    margins = shard.margins[first]
    table = pa.table(
        {
            "epoch": pa.array(np.full(len(ids), shard.epoch), pa.int32()),
            "id": pa.array(ids),
            "label": pa.array(shard.labels[first], LABEL),
            "margin": pa.array(margins, pa.float32()),
            "loss": pa.array(losses[first], pa.float32()),
            "correct": pa.array(margins > 0),
        }
    )
    put(place(folder, shard.epoch, rank), parquet(table))


def read(path: Path) -> Iterator[Shard]:
    """Yield the epochs of a record, a folder or one Parquet file, file by file in the order of names.

    Raises:
        DataError: there is nothing there, or a file is no record.
    """
    if not path.exists():
        raise DataError(f"There is no record {path}. Give the folder that a Recorder was given.")
    for file in sorted(path.glob(PATTERN)) if path.is_dir() else [path]:
        yield from _of(file)


def _of(file: Path) -> Iterator[Shard]:
    try:
        table = read_table([file])
    except (DataError, OSError) as error:
        raise _no_record(file, str(error)) from error
    for name in COLUMNS:
        if table.column_names.count(name) != 1:
            raise _no_record(file, f"column {name} is missing")
        if name != "margin" and table.column(name).null_count:
            raise _no_record(file, f"column {name} has {table.column(name).null_count} empty values")
    try:
        epochs, labels = (table.column(name).cast(pa.int64()).to_numpy() for name in ("epoch", "label"))
        margins = table.column("margin").cast(pa.float32()).to_numpy()
        ids = plain_ids(table.column("id"), "id")
    except (pa.ArrowException, DataError) as error:
        raise _no_record(file, str(error).splitlines()[0]) from error
    for epoch in np.unique(epochs):
        rows = epochs == epoch
        yield Shard(epoch=int(epoch), ids=ids[rows], labels=labels[rows], margins=margins[rows])


def _no_record(file: Path, why: str) -> DataError:
    return DataError(
        f"{file} cannot be read as a record: {why.rstrip('.')}. A record has the columns "
        f"{', '.join(COLUMNS)}, as unchaff.Recorder writes them."
    )
