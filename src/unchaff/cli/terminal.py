"""Tables and sentences on a terminal of any width, and as plain lines elsewhere."""

import sys

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from unchaff.cli.said import say, silence
from unchaff.report.words import visible

PLAIN_WIDTH = 180  # where there is no terminal


class Calm(Console):
    """A console that goes on where nobody reads any more."""

    def on_broken_pipe(self) -> None:
        self.quiet = True
        silence(sys.stderr if self.stderr else sys.stdout)


def console(*, err: bool = False) -> Console:
    """Return the console of standard output, or error."""
    stream = sys.stderr if err else sys.stdout
    return Calm(stderr=err, width=None if stream.isatty() else PLAIN_WIDTH, highlight=False)


def width() -> int:
    """Return how many characters a line of standard output holds."""
    return console().width


def grid() -> Table:
    """Return an empty table, a line under its headings."""
    return Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)


def show(table: Table) -> None:
    """Print a table; elsewhere than on a terminal without blanks at the ends of its lines."""
    target = console()
    if target.is_terminal:
        target.print(table)
        return
    with target.capture() as drawn:
        target.print(table)
    for line in drawn.get().splitlines():
        say(line.rstrip())


def tell(sentence: str, *, style: str = "") -> None:
    """Print a sentence: on a terminal broken between words, elsewhere on one line."""
    target = console()
    if target.is_terminal:
        target.print(Text(visible(sentence), style=style))
    else:
        say(sentence)
