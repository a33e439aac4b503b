"""`unchaff inject`: plant known noise, and keep the truth in a file of its own."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from unchaff.cli import options

EXAMPLE = "unchaff inject digits --noise symmetric:0.4 --out noisy.parquet"


@dataclass(frozen=True, kw_only=True)
class Options(options.Columns):
    """What `inject` takes."""

    data: Annotated[str, Argument(help=options.DATA)]
    noise: Annotated[str, Option(help="KIND:RATE, such as symmetric:0.4.")]
    out: Annotated[Path, Option(help="The noisy .parquet file; truth.parquet is written beside it.")]
    seed: Annotated[int, Option(help="Same seed, same noise, whatever the order of the samples.")] = 0
    overwrite: Annotated[bool, Option("--overwrite", help="Replace the files if they exist.")] = False


def command(given: Options) -> int:
    """Plant known noise, with the truth set apart.

    Writes DATA with the noise as Parquet, and truth.parquet (id, true_label, is_noisy) beside it.
    """
    from unchaff.cli import planting

    return planting.perform(given)
