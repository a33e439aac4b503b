"""`unchaff doctor`: look at everything before the long work."""

from dataclasses import dataclass
from typing import Annotated

import typer

from unchaff.cli import options
from unchaff.cli.said import say

EXAMPLE = "unchaff doctor digits --model small-cnn"


@dataclass(frozen=True, kw_only=True)
class Options(options.Network):
    """What `doctor` takes."""

    data: Annotated[str, typer.Argument(help=options.DATA)] = "digits"


def command(given: Options) -> int:
    """Look at everything before the long work.

    Prints environment, data and network, times two batches, and estimates time and memory of a repair.
    """
    from unchaff.cli import answer, examination, show

    found = []
    with show.stages(quiet=given.quiet):
        for section in examination.sections(given, given.data):
            found.append(section)
            if not given.json and not given.quiet:
                for line in (section.name, *(f"  {line}" for line in section.lines)):
                    say(line)
    content = {section.name.lower(): section.facts for section in found}
    return answer.give(given, answer.Answer(content=content, tell=lambda: None))
