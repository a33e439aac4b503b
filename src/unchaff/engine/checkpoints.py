"""Where a part of the learning stands in every trainer, so that one that dies costs the last minute only."""

import time
from collections.abc import Mapping
from dataclasses import dataclass

from unchaff.engine.stage import Place
from unchaff.engine.store import Store
from unchaff.journal import Entry, State
from unchaff.train import together

EVERY = 60.0  # seconds between two checkpoints
OWN = ("random.", "losses")  # begin the names of what differs between trainers; the rest the first one writes
KEPT = 2  # checkpoints: while one is being written, the one before is whole


@dataclass(frozen=True)
class Checkpoints:
    """Keeps the stages of one trainer among others."""

    store: Store
    folder: str
    place: Place

    def entry(self, name: str) -> "Checkpoint":
        """Return the entry of a stage."""
        return Checkpoint(self, name)

    def check(self, name: str, content: Mapping[str, object]) -> None:
        """Compare nothing: whoever began the run has done so."""


class Checkpoint(Entry):
    """One stage of one trainer. All of them ask and write at the same steps."""

    def __init__(self, kept: Checkpoints, name: str) -> None:
        super().__init__(None, name)
        self._store, self._place, self._folder = kept.store, kept.place, f"{kept.folder}/{name}"

    @property
    def is_due(self) -> bool:
        """Whether it is time for all to write."""
        return together.all_are(time.monotonic() - self._last >= EVERY)

    def found(self) -> State | None:
        """Return the last state that all have written; None where there is none."""
        for step in reversed(self._steps()):
            state = self._at(step)
            if state is not None:
                return state
        return None

    def keep(self, state: State) -> None:
        """Write a state; the first trainer writes what is the same in all."""
        rank, step = self._place.rank, f"{int(str(state.about['step'])):09d}"
        own = {name: each for name, each in state.tensors.items() if rank == 0 or name.startswith(OWN)}
        self._store.put_state(self._file(step, rank), own, state.about)
        for old in self._steps()[:-KEPT]:
            self._store.drop(self._file(old, rank))
        self._last = time.monotonic()

    def _file(self, step: str, rank: int) -> str:
        return f"{self._folder}/{step}-{rank}-of-{self._place.count}.safetensors"

    def _steps(self) -> list[str]:
        ours = f"-of-{self._place.count}.safetensors"
        there = self._store.names(self._folder)
        return sorted({name.partition("-")[0] for name in there if name.endswith(ours)})

    def _at(self, step: str) -> State | None:
        """Return the state of a step; None where one of the trainers has not written it whole."""
        read = {rank: self._store.state(self._file(step, rank)) for rank in range(self._place.count)}
        first, own = read[0], read[self._place.rank]
        if first is None or own is None or None in read.values():
            return None
        return State({**first[0], **own[0]}, own[1])
