"""What long work has done so far, on disk, so that it can go on where it stopped; nothing by default.

A run is the same sequence of stages each time, so the n-th stage finds what the n-th stage left.
"""

import json
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Protocol, runtime_checkable

from torch import Tensor

from unchaff import shards
from unchaff.errors import RunFolderError
from unchaff.whole import object_in, put

EVERY = 10.0  # seconds between two writes of the same stage
SHOWN, BEFORE = 60, 20  # characters of a value in a message, and of those the ones before a difference
ANEW = "Begin anew with --overwrite."


@dataclass(frozen=True)
class State:
    """Where a stage stands."""

    tensors: Mapping[str, Tensor]
    about: Mapping[str, object]  # plain values


class Journal:
    """Files of one run in one folder, which is made when the first stage is written down."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._stages = 0
        self._noted: dict[str, bytes] = {}  # to be written with the first stage

    def entry(self, name: str) -> "Entry":
        """Return the entry of the next stage."""
        self._stages += 1
        slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
        return Entry(self, f"{self._stages:03d}-{slug}")

    def check(self, name: str, content: Mapping[str, object]) -> None:
        """Note what the run depends on, or compare it with what was noted.

        Raises:
            RunFolderError: it differs; the sentence names the first difference.
        """
        file = self.folder / f"{name}.json"
        now = json.loads(json.dumps(content))
        if not file.is_file():
            self._noted[f"{name}.json"] = json.dumps(now, indent=1).encode()
            return
        then = object_in(file, otherwise=ANEW)
        differing = difference(then, now)
        if differing:
            raise RunFolderError(
                f"The unfinished run in {self.folder.parent} differs in its {name}: {differing}. Give "
                "back what it began with, or --overwrite to begin anew."
            )

    def put(self, name: str, content: bytes) -> None:
        """Write a file whole, and before it what was noted."""
        for each, held in {**self._noted, name: content}.items():
            put(self.folder / each, held)
        self._noted = {}


class Entry:
    """One stage: its last state, or the shards of what it said of each sample."""

    def __init__(self, journal: Journal | None, name: str) -> None:
        self._journal = journal
        self._name = name
        self._last = time.monotonic()

    @property
    def is_due(self) -> bool:
        """Whether it is time to write again."""
        return self._journal is not None and time.monotonic() - self._last >= EVERY

    @property
    def is_kept(self) -> bool:
        """Whether anything is kept at all."""
        return self._journal is not None

    def found(self) -> State | None:
        """Return the last state, None where nothing was.

        Raises:
            RunFolderError: the file cannot be read.
        """
        file = None if self._journal is None else self._journal.folder / self._file_name
        if file is None or not file.is_file():
            return None
        try:
            return State(*shards.unsealed(file.read_bytes()))
        except (OSError, ValueError) as error:
            raise RunFolderError(f"{file} cannot be read ({error}). {ANEW}") from error

    def keep(self, state: State) -> None:
        """Write a state: whole, or as it was."""
        if self._journal is None:
            return
        self._journal.put(self._file_name, shards.sealed(state.tensors, state.about))
        self._last = time.monotonic()

    def shard(self, part: int) -> tuple[Path, dict[str, Tensor]] | None:
        """Return a shard of numbers per sample and the file it lies in, None where there is none.

        Raises:
            RunFolderError: the file cannot be read.
        """
        file = None if self._journal is None else self._journal.folder / self._shard_name(part)
        if file is None or not file.is_file():
            return None
        try:
            return file, shards.unpacked(file)
        except (OSError, ValueError) as error:
            raise RunFolderError(f"{file} cannot be read ({error}). {ANEW}") from error

    def keep_shard(self, columns: shards.Columns, part: int) -> Path | None:
        """Write a shard, and return its file; None where nothing is kept."""
        if self._journal is None:
            return None
        self._journal.put(self._shard_name(part), shards.packed(columns))
        self._last = time.monotonic()
        return self._journal.folder / self._shard_name(part)

    @property
    def _file_name(self) -> str:
        return f"{self._name}.safetensors"

    def _shard_name(self, part: int) -> str:
        return f"{self._name}-{part:05d}.parquet"


@runtime_checkable
class Keeps(Protocol):
    """Keeps the stages of a run: in one folder, or wherever the run is."""

    def entry(self, name: str) -> Entry:
        """Return the entry of the next stage."""
        ...

    def check(self, name: str, content: Mapping[str, object]) -> None:
        """Note what the run depends on, or compare it with what was noted."""
        ...


_current: ContextVar[Keeps | None] = ContextVar("journal", default=None)


@contextmanager
def kept_by(journal: Keeps | None) -> Iterator[None]:
    """Keep the stages inside the block."""
    token = _current.set(journal)
    try:
        yield
    finally:
        _current.reset(token)


def difference(then: Mapping[str, object], now: Mapping[str, object], at: str = "") -> str:
    """Return the first value that differs, named by its place, and what it was; empty where all are the same.

    >>> difference({"options": {"rate": None}}, {"options": {"rate": 8000}})
    'options.rate was null and is 8000'
    """
    for key in {**then, **now}:
        was, given = then.get(key), now.get(key)
        if was == given:
            continue
        if isinstance(was, Mapping) and isinstance(given, Mapping):
            return difference(was, given, f"{at}{key}.")
        before, after = _around(json.dumps(was), json.dumps(given))
        return f"{at}{key} was {before} and is {after}"
    return ""


def entry(name: str) -> Entry:
    """Return the entry of the next stage; without a journal it keeps nothing."""
    journal = _current.get()
    return Entry(None, name) if journal is None else journal.entry(name)


def check(name: str, content: Mapping[str, object]) -> None:
    """Note or compare what the run depends on."""
    journal = _current.get()
    if journal is not None:
        journal.check(name, content)


def is_kept() -> bool:
    """Whether there is a journal."""
    return _current.get() is not None


def _around(was: str, given: str) -> tuple[str, str]:
    """Return two texts, long ones cut to the part where they begin to differ."""
    if max(len(was), len(given)) <= SHOWN:
        return was, given
    alike = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(was, given, strict=False)))
    start = max(0, alike - BEFORE)
    return _cut(was, start), _cut(given, start)


def _cut(text: str, start: int) -> str:
    end = start + SHOWN
    return ("..." if start else "") + text[start:end] + ("..." if len(text) > end else "")
