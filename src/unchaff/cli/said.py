"""The one way of this program to a terminal: names from files cannot steer it."""

import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout, suppress
from contextvars import ContextVar
from typing import TextIO

import typer

from unchaff.report.words import visible

_kept: ContextVar[TextIO | None] = ContextVar("kept", default=None)  # standard output, for one object


def say(line: str, *, err: bool = False) -> None:
    """Print one line, to standard error where it is no result."""
    try:
        typer.echo(visible(line), err=err)
    except BrokenPipeError:
        silence(sys.stderr if err else sys.stdout)


def say_object(content: Mapping[str, object]) -> None:
    """Print one object of JSON, in ASCII: it steers no terminal and survives every encoding."""
    stream = _kept.get() or sys.stdout
    try:
        typer.echo(json.dumps(content, indent=2, allow_nan=False), file=stream)
    except BrokenPipeError:
        silence(stream)


@contextmanager
def apart() -> Iterator[None]:
    """Keep standard output for one object: what anybody else prints meanwhile goes to standard error."""
    token = _kept.set(sys.stdout)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        _kept.reset(token)


def spelled_out() -> None:
    """Let characters that standard output or error cannot encode be written as escapes, not end the run."""
    for stream in (sys.stdout, sys.stderr):
        if reconfigure := getattr(stream, "reconfigure", None):
            reconfigure(errors="backslashreplace")


def silence(stream: TextIO) -> None:
    """Send all that is still to come nowhere: who read it, such as `head`, has gone; the work goes on."""
    with suppress(OSError, ValueError), open(os.devnull, "w") as nowhere:  # noqa: PTH123  a device
        os.dup2(nowhere.fileno(), stream.fileno())


def visible_lines(text: str) -> str:
    """Return a text of several lines, such as a traceback, each of them visible whole."""
    return "\n".join(visible(line) for line in text.splitlines())
