"""Stages on a terminal as bars, elsewhere as plain lines."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from unchaff import progress
from unchaff.cli.said import say, visible

EVERY = 10.0  # seconds between the lines of one long stage


@contextmanager
def stages() -> Iterator[None]:
    """Show the stages that run inside the block on standard error."""
    if not sys.stderr.isatty():
        with progress.shown_by(Lines(_say)):
            yield
        return
    columns = (
        TextColumn("{task.description:<28}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as bars, progress.shown_by(Bars(bars)):
        yield


def _say(line: str) -> None:
    say(line, err=True)


@dataclass(frozen=True)
class Bars:
    """One bar per stage."""

    bars: Progress

    def begin(self, name: str, total: int) -> "Bar":
        return Bar(self.bars, self.bars.add_task(visible(name), total=total))

    def end(self, stage: progress.Stage) -> None:
        if isinstance(stage, Bar):
            self.bars.stop_task(stage.task)

    def say(self, text: str) -> None:
        self.bars.console.print(visible(text), highlight=False, markup=False)


@dataclass(frozen=True)
class Bar:
    """The bar of one stage."""

    bars: Progress
    task: TaskID

    def advance(self, count: int = 1) -> None:
        self.bars.advance(self.task, count)


@dataclass(frozen=True)
class Lines:
    """A line when a stage ends, and one now and then while it runs."""

    write: Callable[[str], object]

    def begin(self, name: str, total: int) -> "Line":
        return Line(self.write, name, total)

    def end(self, stage: progress.Stage) -> None:
        if isinstance(stage, Line):
            stage.report()

    def say(self, text: str) -> None:
        self.write(text)


@dataclass
class Line:
    """What is known of one running stage."""

    say: Callable[[str], object]
    name: str
    total: int
    done: int = 0
    begun: float = field(default_factory=time.monotonic)
    said: float = field(default_factory=time.monotonic)

    def advance(self, count: int = 1) -> None:
        self.done += count
        if time.monotonic() - self.said > EVERY and self.done < self.total:
            self.report()

    def report(self) -> None:
        """Say how far the stage is."""
        self.said = time.monotonic()
        self.say(f"{self.name}: {self.done} of {self.total}, {self.said - self.begun:.1f} s")
