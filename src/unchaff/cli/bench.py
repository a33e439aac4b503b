"""`unchaff bench`: the published tables, cell by cell."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from typer import Argument, Option

from unchaff.cli import options

EXAMPLE = "unchaff bench smoke --list"
OUT_OF_RANGE = 3  # exit code
RESULTS = "results.jsonl"
Suite = Literal["smoke", "cpu", "gpu", "ablations", "systems", "memory", "scale"]


@dataclass(frozen=True, kw_only=True)
class Options(options.Answering):
    """What `bench` takes."""

    suite: Annotated[
        Suite, Argument(help="smoke, memory, scale (minutes); cpu, gpu, ablations, systems (hours).")
    ]
    only: Annotated[
        str, Option(help="Only rows SETTING/NAME/SEED in which this regular expression is found.")
    ] = ""
    packs: Annotated[
        Path | None, Option(envvar="UNCHAFF_DATA", help="Folder of the data packs, one folder each.")
    ] = None
    out: Annotated[Path | None, Option(help="Folder of results and page; bench/SUITE by default.")] = None
    networks: Annotated[
        Path | None, Option(help="Folder of finished networks; ~/.cache/unchaff/networks by default.")
    ] = None
    seeds: Annotated[str | None, Option(help="Instead of those of the tables, such as 0,1,2.")] = None
    minutes: Annotated[
        float | None, Option(min=0.0, help="Begin no further row after so many; call again to go on.")
    ] = None
    device: Annotated[options.Device, Option(help="Where to compute.")] = "auto"
    list_rows: Annotated[bool, Option("--list", help="Say what would be run, and what is there.")] = False

    @property
    def folder(self) -> Path:
        """Of results and page."""
        return self.out or Path("bench") / self.suite


def command(given: Options) -> int:
    """Run the published comparisons.

    What was measured before is not run again.
    """
    from unchaff.cli import measuring, weighing

    if given.suite in ("memory", "scale"):
        return weighing.perform(given)
    return measuring.perform(given)
