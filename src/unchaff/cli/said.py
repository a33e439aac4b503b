"""The one way of this program to a terminal: names from files cannot steer it."""

import re

import typer

# Control characters, halves of characters, line ends of Unicode, and marks that turn the reading direction.
STEERING = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def visible(text: str) -> str:
    r"""Return a text of which a terminal shows every character, on one line.

    >>> visible("a\x1b[2Jb\nc")
    'a\\x1b[2Jb\\nc'
    """
    return STEERING.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def say(line: str, *, err: bool = False) -> None:
    """Print one line, to standard error where it is no result."""
    typer.echo(visible(line), err=err)


def visible_lines(text: str) -> str:
    """Return a text of several lines, such as a traceback, each of them visible whole."""
    return "\n".join(visible(line) for line in text.splitlines())
