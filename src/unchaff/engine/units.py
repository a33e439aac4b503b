"""Pieces of a large data set that are worked on one by one: each always holds the same rows."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

ROWS = 2_048  # of a unit
MOST = 10_000  # units; of more rows than `MOST * ROWS` each takes more


@dataclass(frozen=True)
class Unit:
    """Rows that follow one another, in one file or in memory."""

    number: int  # of the unit
    file: str  # empty: no file
    first: int  # row in the file
    rows: int
    start: int  # row among all

    def __str__(self) -> str:
        where = f"{self.file}, " if self.file else ""
        return f"{where}rows {self.first:,} to {self.first + self.rows - 1:,}"


def cut(files: Iterable[tuple[str, int]]) -> list[Unit]:
    """Return all rows of files in units of nearly one size, none of which spans two files.

    How many workers there are has no part in it: a unit is the same piece of work on any machine.
    """
    held = [(file, count) for file, count in files if count]
    size = max(ROWS, -(-sum(count for _, count in held) // MOST))
    return list(_cut(held, size))


def _cut(files: list[tuple[str, int]], size: int) -> Iterator[Unit]:
    number = start = 0
    for file, count in files:
        pieces = -(-count // size)
        for piece in range(pieces):
            first, end = count * piece // pieces, count * (piece + 1) // pieces
            yield Unit(number, file, first, end - first, start)
            number, start = number + 1, start + end - first
