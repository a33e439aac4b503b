"""`unchaff doctor`: look at everything before the long work."""

from dataclasses import dataclass
from typing import Annotated

import typer

from unchaff.cli import options
from unchaff.cli.said import say


@dataclass(frozen=True, kw_only=True)
class Options(options.Network):
    """What `doctor` takes."""

    data: Annotated[str, typer.Argument(help=options.DATA)] = "digits"


def command(given: Options) -> int:
    """Look at everything before the long work.

    Prints environment, data and network, times two batches, and estimates time and memory of a repair.
    """
    from unchaff.cli import examination

    for line in examination.lines(given, given.data):
        say(line)
    return 0
