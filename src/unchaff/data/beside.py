"""Columns of texts that name image or sound files beside their table."""

from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath

import pyarrow as pa

from unchaff.bounded import read_table
from unchaff.data.folder import AUDIO, IMAGES
from unchaff.data.listing import inside
from unchaff.errors import DataError

LOOKED_AT = 64  # rows of a column
SUFFIXES = IMAGES | AUDIO

# A column -> whether its texts name files: None, they do not; "", and these lie there; else what is wrong.
Names = Callable[[str], str | None]


def none(_column: str) -> None:
    """Say of every column that it names no files."""


def of_table(table: pa.Table, folder: Path) -> Names:
    """Return what the columns of a table in this folder name."""
    return lambda column: _named(table.column(column).slice(0, LOOKED_AT).to_pylist(), folder)


def of_parquet(path: Path) -> Names:
    """Return what the columns of a Parquet file name; only their first rows are read."""

    def names(column: str) -> str | None:
        try:
            return of_table(read_table([path], [column], rows=LOOKED_AT), path.parent)(column)
        except DataError:  # if it is used at all, reading it will say the same
            return None

    return names


def _named(values: Sequence[str | None], folder: Path) -> str | None:
    given = [value for value in values if value]
    named = [value for value in given if PurePosixPath(value).suffix.lower() in SUFFIXES]
    if not named or 2 * len(named) < len(given):  # a few may be broken
        return None
    reasons = [_reason(value, folder) for value in named]
    return "" if "" in reasons else reasons[0]


def _reason(value: str, folder: Path) -> str:
    try:
        return "" if inside(folder, value).is_file() else f"there is no {value} in {folder}"
    except DataError as error:
        return str(error)
