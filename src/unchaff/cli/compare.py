"""`unchaff compare`: methods side by side on the same data, start and budget."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from unchaff.cli import options

EXAMPLE = "unchaff compare digits --noise symmetric:0.4 --methods unlearn,retrain,gce --seeds 0 --out sides"
METHODS = "unlearn,finetune-all,retrain,early-stop,gce"


@dataclass(frozen=True, kw_only=True)
class Options(options.Experiment):
    """What `compare` takes."""

    data: Annotated[str, Argument(help=options.DATA)]
    methods: Annotated[
        str, Option(help="Of docs/methods.md, with commas, as NAME or NAME@BUDGET; all; and oracle.")
    ] = METHODS
    seeds: Annotated[str, Option(help="One draw of noise, start and training each.")] = "0,1,2"
    budget: Annotated[
        float | None,
        Option(help="Of the second table: FLOPs of each method, as a share of one full training."),
    ] = 1.0
    own_only: Annotated[
        bool, Option("--own-only", help="Run each method at its own cost only: no second table.")
    ] = False
    out: Annotated[Path | None, Option(help="Folder of results and page; comparisons/<time> by default.")] = (
        None
    )


def command(given: Options) -> int:
    """Compare methods: same data, same start, same test.

    Each at its own cost and, where it takes a budget, at the same cost as all others. What was measured
    before is not run again: give the same command with the same --out to go on, or with more methods or
    seeds.
    """
    from unchaff.cli import comparing

    return comparing.perform(given)
