"""One pass over units of rows: what is read, what is made of it, and where that happens."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar, runtime_checkable

import torch

from unchaff import progress
from unchaff.engine.store import Store
from unchaff.engine.units import Unit

CPU = torch.device("cpu")  # where the network is on its way to workers, of which not each may have a GPU
Piece = TypeVar("Piece")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Stage(Generic[Piece, Result]):
    """Two functions that can be sent to other processes and keep nothing from one unit to the next."""

    name: str
    read: Callable[[Unit], Piece]  # where the files are read and decoded
    look: Callable[[Piece], Result]  # where the network is
    on_device: bool = False  # it computes with a network: on an accelerator where a worker has one

    def __call__(self, unit: Unit) -> Result:
        """Do both."""
        return self.look(self.read(unit))


@dataclass(frozen=True)
class Place:
    """Which of several workers this is, and where it computes."""

    rank: int
    count: int
    device: torch.device


def reading_only(name: str, read: Callable[[Unit], Result]) -> Stage[Result, Result]:
    """Return a stage that only reads."""
    return Stage(name, read, _same)


def _same(piece: Result) -> Result:
    return piece


@runtime_checkable
class Engine(Protocol):
    """Where stages run."""

    def run(self, stage: Stage[Piece, Result], units: Sequence[Unit]) -> Iterator[Result]:
        """Yield the result of each unit, in the order of the units."""
        ...

    def together(self, work: Callable[[Place], None], store: Store) -> None:
        """Do work in several processes at once, which can speak to each other by torch.distributed."""
        ...


@dataclass(frozen=True)
class Here:
    """This process, unit after unit."""

    def run(self, stage: Stage[Piece, Result], units: Sequence[Unit]) -> Iterator[Result]:
        """Yield the result of each unit; what is said of single ones is not shown."""
        for unit in units:
            with progress.shown_by(progress.Silent()):
                result = stage(unit)
            yield result

    def together(self, work: Callable[[Place], None], store: Store) -> None:
        """Do work in this process alone."""
        work(Place(0, 1, CPU))
