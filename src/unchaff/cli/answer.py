"""How a command ends: in words, with one object of JSON, or with a path alone."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from unchaff.cli import options
from unchaff.cli.said import say, say_object


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a command found out, and what it wrote."""

    content: Mapping[str, object]  # plain values, for --json
    tell: Callable[[], None]  # prints the same in words
    path: Path | str | None = None  # of what was written, or its address
    code: int = 0


def give(given: options.Answering, answer: Answer) -> int:
    """Answer as it was asked for, and return the exit code."""
    from unchaff.evaluate.metrics import cleaned  # brings torch

    if given.json:
        say_object(cleaned({**answer.content, "exit_code": answer.code}))
    elif not given.quiet:
        answer.tell()
    elif answer.path is not None:
        say(str(answer.path))
    return answer.code


def whole(path: Path) -> str:
    """Return a path as a program can use it from anywhere."""
    return str(path.expanduser().resolve())
