"""`unchaff score`: the quality of every sample, and no change to the network."""

from dataclasses import dataclass
from typing import Annotated

from typer import Argument

from unchaff.cli import options

EXAMPLE = "unchaff score digits --noise symmetric:0.4 --out scored"


@dataclass(frozen=True, kw_only=True)
class Options(options.Placed):
    """What `score` takes."""

    data: Annotated[str, Argument(help=options.DATA)]


def command(given: Options) -> int:
    """Rate every sample; the network stays as it is."""
    from unchaff.cli import job, scaled

    if scaled.is_asked(given):
        return scaled.perform(given, given.data, scaled.scoring)
    return job.perform(given, job.cell_of(given, given.data), "score")
