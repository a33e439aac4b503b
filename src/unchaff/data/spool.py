"""Encoded inputs of large Parquet files, laid into one file on disk from where each can be read by itself."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from unchaff.errors import DataError
from unchaff.samples import Ids
from unchaff.shards import Scratch

ROWS = 64  # read from a row group at once
BUFFER = 1024**2  # bytes of a row group that are read ahead


@dataclass(frozen=True)
class Spool:
    """Inputs one after another in one file; those that the table only names lie beside it."""

    file: Path
    ends: NDArray[np.int64]  # in bytes, of each input
    names: Ids  # of files beside the table; empty where the table holds the bytes
    folder: Path  # of the table
    keeper: Scratch = field(repr=False)

    def __len__(self) -> int:
        return len(self.ends)

    def __getitem__(self, row: int) -> bytes:
        if self.names[row]:
            return (self.folder / str(self.names[row])).read_bytes()
        start = int(self.ends[row - 1]) if row else 0
        with self.file.open("rb") as opened:
            opened.seek(start)
            return opened.read(int(self.ends[row]) - start)


def size_of(paths: list[Path], column: str) -> int:
    """Return the bytes of a column, decompressed, as the files state them."""
    found = 0
    for path in paths:
        about = pq.read_metadata(path)
        for group in range(about.num_row_groups):
            row_group = about.row_group(group)
            chunks = (row_group.column(place) for place in range(row_group.num_columns))
            found += sum(
                chunk.total_uncompressed_size
                for chunk in chunks
                if chunk.path_in_schema.partition(".")[0] == column
            )
    return found


def spooled(paths: list[Path], column: str, rows: int | None) -> Spool:
    """Read a column of files once, a few rows at a time, and lay them out for access by row.

    A row group of Parquet can only be read from its beginning, and training asks for rows in drawn order.

    Raises:
        DataError: there is no room for it in the folder for temporary files.
    """
    keeper = Scratch()
    needed, free = size_of(paths, column), shutil.disk_usage(keeper.path).free
    if rows is None and needed > free:
        raise DataError(
            f"Reading column {column} sample by sample takes {needed / 1e9:.1f} GB in {keeper.path.parent}, "
            f"where {free / 1e9:.1f} GB are free. Name another folder in TMPDIR."
        )
    file, end, ends, names = keeper.path / "inputs", 0, [], []
    with file.open("wb") as out:
        for held, name in _cells(paths, column, rows):
            end += out.write(held)
            ends.append(end)
            names.append(name)
    return Spool(
        file, np.array(ends, dtype=np.int64), np.array(names, dtype=np.str_), paths[0].parent, keeper
    )


def _cells(paths: list[Path], column: str, rows: int | None) -> Iterator[tuple[bytes, str]]:
    """Yield the bytes of each input, or the name of its file."""
    left = float("inf") if rows is None else rows
    for path in paths:
        with pq.ParquetFile(path, buffer_size=BUFFER) as file:
            for batch in file.iter_batches(batch_size=ROWS, columns=[column], use_threads=False):
                for cell in batch.column(0):
                    if left <= 0:
                        return
                    left -= 1
                    yield _cell(cell)


def _cell(cell: pa.Scalar) -> tuple[bytes, str]:
    value = cell.as_py()
    held, name = (value.get("bytes"), value.get("path")) if isinstance(value, dict) else (value, None)
    return (b"", name) if held is None and name is not None else (held or b"", "")
