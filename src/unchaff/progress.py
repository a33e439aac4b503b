"""How far the work is. The library reports it here and never prints; the command line listens."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol, runtime_checkable


@runtime_checkable
class Stage(Protocol):
    """One running stage."""

    def advance(self, count: int = 1) -> None:
        """Say that `count` more of the announced units are done."""
        ...


@runtime_checkable
class Listener(Protocol):
    """Shows stages to a person."""

    def begin(self, name: str, total: int, unit: str) -> Stage:
        """Start a stage of `total` units, such as samples or steps."""
        ...

    def end(self, stage: Stage) -> None:
        """Finish it, also when an error ended it."""
        ...

    def enter(self, part: str) -> None:
        """Start a part: all stages until it is left belong to it, and carry its name."""
        ...

    def leave(self, part: str) -> None:
        """Finish it, also when an error ended it."""
        ...

    def say(self, text: str) -> None:
        """Show a sentence at once: what was detected, what is about to take long."""
        ...


class Silent:
    """Shows nothing; the default."""

    def begin(self, name: str, total: int, unit: str) -> Stage:
        return self

    def end(self, stage: Stage) -> None:
        pass

    def enter(self, part: str) -> None:
        pass

    def leave(self, part: str) -> None:
        pass

    def say(self, text: str) -> None:
        pass

    def advance(self, count: int = 1) -> None:
        pass


SILENT = Silent()
_listener: ContextVar[Listener] = ContextVar("listener", default=SILENT)
_part: ContextVar[str] = ContextVar("part", default="")


@contextmanager
def shown_by(listener: Listener) -> Iterator[None]:
    """Report all stages inside the block to this listener."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


@contextmanager
def part(name: str) -> Iterator[None]:
    """Put this name before those of all stages inside the block: which control is running."""
    listener, token = _listener.get(), _part.set(f"{name}: ")
    listener.enter(name)
    try:
        yield
    finally:
        _part.reset(token)
        listener.leave(name)


def say(text: str) -> None:
    """Show a sentence at once."""
    _listener.get().say(text)


@contextmanager
def stage(name: str, total: int, unit: str = "samples") -> Iterator[Stage]:
    """Announce a stage; `total` and `advance` count the same units."""
    listener = _listener.get()
    inside = _part.get()
    named = inside.removesuffix(": ") if inside.endswith(f" {name}: ") else inside + name
    running = listener.begin(named, total, unit)
    try:
        yield running
    finally:
        listener.end(running)
