"""`unchaff cite`: where methods come from, as BibTeX."""

from dataclasses import dataclass
from typing import Annotated

from typer import Argument

from unchaff.cli import options

EXAMPLE = "unchaff cite unlearn gce"


@dataclass(frozen=True, kw_only=True)
class Options(options.Answering):
    """What `cite` takes."""

    methods: Annotated[list[str], Argument(help="Methods of docs/methods.md.")]


def command(given: Options) -> int:
    """Print BibTeX of exactly the methods named.

    A source that several of them share is printed once. Plain controls, such as retrain, have none.
    """
    from unchaff.cli import citing

    return citing.perform(given)
