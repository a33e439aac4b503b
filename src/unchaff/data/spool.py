"""Encoded inputs of large Parquet files, laid into one file on disk from where each can be read by itself."""

import os
import shutil
import tempfile
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from multiprocessing.reduction import DupFd
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from unchaff import limits
from unchaff.data.listing import content_of, inside
from unchaff.errors import DataError
from unchaff.samples import Ids

ROWS = 64  # read from a row group at once, or fewer
PORTION = 2**30  # bytes they may take: one cell may be as long as its row group, and stand for all
BUFFER = 1024**2  # bytes of a row group that are read ahead


class Nameless:
    """An open file without a name, closed when nothing refers to it any more."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        weakref.finalize(self, os.close, descriptor)


@dataclass(frozen=True)
class Spool:
    """Inputs one after another in one file; those that the table only names lie beside it.

    The file has no name: it is gone with the last process that reads it, however that ends.
    """

    file: Nameless
    ends: NDArray[np.int64]  # in bytes, of each input
    names: Ids  # of files beside the table; empty where the table holds the bytes
    folder: Path  # of the table

    def __len__(self) -> int:
        return len(self.ends)

    def __getitem__(self, row: int) -> bytes:
        if self.names[row]:
            return content_of(inside(self.folder, str(self.names[row])))
        start = int(self.ends[row - 1]) if row else 0
        return os.pread(self.file.descriptor, int(self.ends[row]) - start, start)

    def __reduce__(self) -> tuple[Any, ...]:
        """Let a spawned worker read the same file."""
        return _opened, (DupFd(self.file.descriptor), self.ends, self.names, self.folder)


def _opened(file: Any, ends: NDArray[np.int64], names: Ids, folder: Path) -> Spool:  # noqa: ANN401
    return Spool(Nameless(file.detach()), ends, names, folder)


def size_of(paths: list[Path]) -> int:
    """Return the bytes of files, decompressed, as they state them."""
    return sum(sum(_parts(pq.read_metadata(path))) for path in paths)


def _parts(about: pq.FileMetaData) -> Iterator[int]:
    """Yield the bytes of each row group, decompressed, as the file states them.

    Of all columns: asked for a single one of a broken file, pyarrow 26 ends the process.
    """
    return (about.row_group(group).total_byte_size for group in range(about.num_row_groups))


def spooled(paths: list[Path], column: str, rows: int | None) -> Spool:
    """Read a column of files once, a few rows at a time, and lay them out for access by row.

    A row group of Parquet can only be read from its beginning, and training asks for rows in drawn order.

    Raises:
        DataError: there is no room for it in the folder for temporary files.
    """
    place = tempfile.gettempdir()
    needed, free = size_of(paths), shutil.disk_usage(place).free
    if rows is None and needed > free:
        raise DataError(
            f"Reading column {column} sample by sample takes {needed / 1e9:.1f} GB in {place}, where "
            f"{free / 1e9:.1f} GB are free. Name another folder in TMPDIR."
        )
    end, ends, names = 0, [], []
    with tempfile.TemporaryFile() as file:
        for held, name in _cells(paths, column, rows):
            end += len(held)
            _check_cell(len(name), end, free, column)
            file.write(held)
            ends.append(end)
            names.append(name)
        file.flush()
        kept = Nameless(os.dup(file.fileno()))
    return Spool(kept, np.array(ends, dtype=np.int64), np.array(names, dtype=np.str_), paths[0].parent)


def _check_cell(length: int, end: int, free: int, column: str) -> None:
    """Refuse what would fill the disk, or the memory: names all take the room of the longest."""
    if end > free:
        raise DataError(
            f"Column {column} unpacks to more than the {free / 1e9:.1f} GB that are free in "
            f"{tempfile.gettempdir()}. Name another folder in TMPDIR."
        )
    if length > limits.ID_CHARACTERS.value:
        raise DataError(
            f"Column {column} holds a path of {length:,} characters, {limits.ID_CHARACTERS}. Shorten it."
        )


def _cells(paths: list[Path], column: str, rows: int | None) -> Iterator[tuple[bytes, str]]:
    """Yield the bytes of each input, or the name of its file."""
    left = float("inf") if rows is None else rows
    for path in paths:
        with pq.ParquetFile(path, buffer_size=BUFFER) as file:
            longest = max(_parts(file.metadata), default=0)
            at_once = min(max(PORTION // max(longest, 1), 1), ROWS)
            for cell in chain.from_iterable(_groups(file, column, at_once)):
                if left <= 0:
                    return
                left -= 1
                yield _cell(cell)


def _groups(file: pq.ParquetFile, column: str, at_once: int) -> Iterator[pa.Array]:
    """Yield a column some rows at a time, row group by row group.

    Asked for all of them at once, the reader holds on to those it has read.
    """
    for group in range(file.num_row_groups):
        batches = file.iter_batches(at_once, row_groups=[group], columns=[column], use_threads=False)
        yield from (batch.column(0) for batch in batches)


def _cell(cell: pa.Scalar) -> tuple[bytes, str]:
    value = cell.as_py()
    held, name = (value.get("bytes"), value.get("path")) if isinstance(value, dict) else (value, None)
    held = held.encode() if isinstance(held, str) else held
    if not isinstance(held, bytes | None) or not isinstance(name, str | None):
        raise DataError(f"A cell of type {cell.type} holds no file. Give its bytes, or the path of the file.")
    return (b"", name) if held is None and name is not None else (held or b"", "")
