"""Which rows of a suite are wanted."""

import re
from collections.abc import Callable, Sequence
from typing import TypeVar

from unchaff.errors import ConfigError

Each = TypeVar("Each")


def matching(only: str, rows: Sequence[Each], *, known: str, name: Callable[[Each], str] = str) -> list[Each]:
    """Return the rows in whose names a regular expression is found.

    Args:
        only: the expression.
        rows: of a suite.
        known: what rows there are, for the sentence that says that none is left.
        name: of a row.

    Raises:
        ConfigError: the expression is none, or leaves nothing.
    """
    try:
        wanted = re.compile(only)
    except re.error as error:
        raise ConfigError(f"--only {only!r} is no regular expression ({error}).") from error
    chosen = [each for each in rows if wanted.search(name(each))]
    if not chosen:
        raise ConfigError(f"--only {only!r} leaves no row. Rows are {known}.")
    return chosen
