"""One pass over a walk, gone on with where it stopped: sums that are added up, or numbers of each sample."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from unchaff import journal
from unchaff.attribute.chunks import Chunk
from unchaff.attribute.observe import Walk
from unchaff.errors import not_finite
from unchaff.filled import Filled
from unchaff.journal import Entry, Journal, State
from unchaff.shards import HELD, Columns, Scratch, Shelved


@runtime_checkable
class Adds(Protocol):
    """Sums of a size that does not depend on how many samples are in them."""

    def state(self) -> dict[str, Tensor]:
        """Return all that was taken in."""
        ...

    def restore(self, state: dict[str, Tensor]) -> None:
        """Go on from such a state."""
        ...


def added(walk: Walk, sums: Adds, add: Callable[[Chunk], None]) -> None:
    """Add up one pass into `sums`, chunk by chunk with `add`; what a journal holds is not seen again.

    Raises:
        ModelError: they are not finite.
    """
    entry = journal.entry(f"{walk.name} sums")
    found, rows = entry.found(), 0
    if found is not None:
        sums.restore(dict(found.tensors))
        rows = int(str(found.about["rows"]))
        walk.charge(rows)
    done = rows
    for chunk in walk.since(rows):
        add(chunk)
        rows += len(chunk.rows)
        if entry.is_due:
            entry.keep(State(sums.state(), {"rows": rows}))
            done = rows
    if done < rows:
        entry.keep(State(sums.state(), {"rows": rows}))
    check_finite(sums, rows)


def check_finite(sums: Adds, count: int) -> None:
    """Refuse sums over so many samples that hold numbers that are not finite.

    Raises:
        ModelError: they do.
    """
    if not all(bool(each.isfinite().all()) for each in sums.state().values()):
        raise not_finite(f"some of {count}")


@dataclass(frozen=True)
class Noted:
    """What was said of each sample, in canonical order, by name."""

    numbers: dict[str, Tensor]  # one per sample
    rows: dict[str, Tensor | Shelved]  # several per sample


def noted(walk: Walk, look: Callable[[Chunk], Columns]) -> Noted:
    """Return what `look` says of each sample.

    Where a journal is kept, the numbers are written to it in shards as they are made. Columns of several
    numbers per sample are left in the shards where samples times classes pass `HELD`.
    """
    wide = len(walk.samples) * walk.samples.num_classes > HELD
    scratch = Scratch() if wide and not journal.is_kept() else None
    entry = journal.entry(walk.name)
    entry = entry if scratch is None else Journal(scratch.path).entry(walk.name)
    notes = _Notes(entry, len(walk.samples), wide=wide)
    notes.found()
    walk.charge(notes.rows)
    for chunk in walk.since(notes.rows):
        notes.add(look(chunk))
    return notes.columns(scratch)


class _Notes:
    """Numbers of each sample: those in memory, and the shards they were written to."""

    def __init__(self, entry: Entry, count: int, *, wide: bool) -> None:
        self._entry, self._count, self._wide = entry, count, wide
        self._held: dict[str, Filled] = {}
        self._fresh: list[Columns] = []  # of what is not held: not in a shard yet
        self._written = 0  # samples in the shards
        self._files: list[Path] = []
        self._ends: list[int] = []
        self._widths: dict[str, int] = {}  # numbers per sample, by name
        self.rows = 0

    def found(self) -> None:
        """Take in the shards that are there."""
        while (shard := self._entry.shard(len(self._files))) is not None:
            self._files.append(shard[0])
            self._take(shard[1])
            self._close_shard()

    def add(self, columns: Columns) -> None:
        """Take in some samples."""
        columns = {name: each.cpu() for name, each in columns.items()}
        self._take(columns)
        if self._entry.is_kept:
            self._fresh.append({name: each for name, each in columns.items() if name not in self._held})
            numbers = (self.rows - self._written) * sum(self._widths.values())
            if self._entry.is_due or numbers > HELD:
                self._write()

    def columns(self, scratch: Scratch | None) -> Noted:
        """Return all columns; those left in shards read from there."""
        if self._fresh:
            self._write()
        held = {name: each.rows for name, each in self._held.items()}
        ends, all_rows = np.array(self._ends, dtype=np.int64), np.arange(self.rows)
        left = {
            name: Shelved(name, width, tuple(self._files), ends, all_rows, scratch)
            for name, width in self._widths.items()
            if name not in held
        }
        wide = {name: each for name, each in held.items() if each.dim() > 1}
        return Noted({name: each for name, each in held.items() if each.dim() == 1}, {**wide, **left})

    def _take(self, columns: Columns) -> None:
        self._widths = {name: each[:1].numel() for name, each in columns.items()}
        for name, each in columns.items():
            if each.dim() == 1 or not self._wide:
                self._held.setdefault(name, Filled(self._count)).add(each)
        self.rows += len(next(iter(columns.values())))

    def _write(self) -> None:
        shard = {
            name: self._held[name].rows[self._written :]
            if name in self._held
            else torch.cat([each[name] for each in self._fresh])
            for name in self._widths
        }
        file = self._entry.keep_shard(shard, len(self._files))
        if file is not None:
            self._files.append(file)
            self._close_shard()

    def _close_shard(self) -> None:
        self._ends.append(self.rows)
        self._written, self._fresh = self.rows, []
