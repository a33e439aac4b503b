"""What runs, on standard error: a line when a stage ends, and before that a bar or a line now and then."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field

from rich.console import Console
from rich.progress import Progress, ProgressColumn, Task, TaskID
from rich.progress_bar import ProgressBar
from rich.table import Column
from rich.text import Text

from unchaff import progress
from unchaff.cli import terminal
from unchaff.cli.said import say
from unchaff.cli.words import duration, rate
from unchaff.report.words import visible

FIRST, LONGEST = 10.0, 60.0  # seconds between two lines of one long stage: each time twice as long
FAST = 1.0  # seconds below which the rate of a finished stage says nothing
BAR = 20
NARROW = 70  # characters of a line below which there is no room for a bar


@contextmanager
def stages(*, quiet: bool = False, parts: bool = True) -> Iterator[None]:
    """Show the stages that run inside the block.

    Args:
        quiet: show nothing.
        parts: say when a part, such as a control, is done; not where its result is said anyway.
    """
    with nullcontext() if quiet else _listener(parts=parts):
        yield


@contextmanager
def _listener(*, parts: bool) -> Iterator[None]:
    console = terminal.console(err=True)
    if not (sys.stderr.isatty() and console.is_interactive):
        with progress.shown_by(Lines(_say, parts)):
            yield
        return
    # Standard output stays as it is: it may be a file, and is never to end up on this console.
    with (
        Progress(*_columns(console), console=console, transient=True, redirect_stdout=False) as bars,
        progress.shown_by(Bars(_printer(console), parts, bars)),
    ):
        yield


def _say(line: str) -> None:
    say(line, err=True)


def _printer(console: Console) -> Callable[[str], None]:
    return lambda line: console.print(Text(visible(line)))


@dataclass
class Line:
    """One running stage, and what can be said of it."""

    name: str
    total: int
    unit: str
    write: Callable[[str], object]
    clock: Callable[[], float] = time.monotonic
    done: int = 0
    begun: float = field(init=False)
    due: float = field(init=False)  # when the next line is
    gap: float = FIRST

    def __post_init__(self) -> None:
        self.begun = self.clock()
        self.due = self.begun + self.gap

    def advance(self, count: int = 1) -> None:
        self.done += count
        if self.done < self.total and self.clock() >= self.due:
            self.gap = min(2 * self.gap, LONGEST)
            self.due = self.clock() + self.gap
            self.write(self.running())

    def running(self) -> str:
        """Return how far it is, its rate, and the time that is left."""
        taken, so_far = self.clock() - self.begun, f"{self.name}: {self.done:,} of {self.total:,} {self.unit}"
        if not self.done or not taken:
            return so_far
        left = taken / self.done * (self.total - self.done)
        return f"{so_far}, {rate(self.done, taken)}, {duration(left)} left"

    def ended(self) -> str:
        """Return what it did; less than announced where it was stopped."""
        taken = self.clock() - self.begun
        of = "" if self.done >= self.total else f" of {self.total:,}"
        pace = f", {rate(self.done, taken)}" if self.done and taken >= FAST else ""
        return f"{self.name}: {self.done:,}{of} {self.unit} in {duration(taken)}{pace}"


@dataclass
class Lines:
    """A line when a stage or a part ends, and one now and then while a stage runs."""

    write: Callable[[str], object]
    tells_parts: bool = True
    clock: Callable[[], float] = time.monotonic
    parts: list[float] = field(default_factory=list)  # when those that run were begun

    def begin(self, name: str, total: int, unit: str) -> progress.Stage:
        return Line(name, total, unit, self.write, self.clock)

    def end(self, stage: progress.Stage) -> None:
        if isinstance(stage, Line) and not self.parts:
            self.write(stage.ended())

    def enter(self, part: str) -> None:
        self.parts.append(self.clock())

    def leave(self, part: str) -> None:
        taken = self.clock() - self.parts.pop()
        if self.tells_parts and not self.parts:
            self.write(f"{part}: {duration(taken)}")

    def say(self, text: str) -> None:
        self.write(text)


@dataclass
class Bar(Line):
    """One running stage that is also a bar."""

    bars: Progress = field(kw_only=True)
    task: TaskID = field(init=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.task = self.bars.add_task("", total=self.total, running=self.running)

    def advance(self, count: int = 1) -> None:
        self.done += count
        self.bars.advance(self.task, count)


class Bars(Lines):
    """The same lines, under them a bar for what runs."""

    def __init__(self, write: Callable[[str], object], tells_parts: bool, bars: Progress) -> None:
        super().__init__(write, tells_parts)
        self.bars = bars

    def begin(self, name: str, total: int, unit: str) -> progress.Stage:
        return Bar(name, total, unit, self.write, bars=self.bars)

    def end(self, stage: progress.Stage) -> None:
        if isinstance(stage, Bar):
            self.bars.remove_task(stage.task)
        super().end(stage)


def _columns(console: Console) -> list[ProgressColumn]:
    return [_Running()] if console.width < NARROW else [_Strip(), _Running()]


class _Strip(ProgressColumn):
    """The bar itself."""

    def render(self, task: Task) -> ProgressBar:
        return ProgressBar(total=max(task.total or 0, 1), completed=task.completed, width=BAR)


class _Running(ProgressColumn):
    """What a line would say now, cut off where the terminal ends."""

    max_refresh = 0.2

    def __init__(self) -> None:
        super().__init__(Column(no_wrap=True, overflow="ellipsis"))

    def render(self, task: Task) -> Text:
        return Text(visible(task.fields["running"]()))
