"""`unchaff repair`: the main job."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

from typer import Argument, Option

from unchaff.cli import options

EXAMPLE = "unchaff repair digits --noise symmetric:0.4 --out run"
Controls = Literal["none", "quick", "all"]
DEMONSTRATION = "symmetric:0.4"


@dataclass(frozen=True, kw_only=True)
class Options(options.Placed):
    """What `repair` takes."""

    data: Annotated[str | None, Argument(help=f"{options.DATA} Without: a demonstration on digits.")] = None
    method: Annotated[str, Option(help="A method of docs/methods.md.")] = "unlearn"
    budget: Annotated[
        float | None, Option(min=0.0, help="FLOPs of the whole repair, as a share of one full training.")
    ] = None
    controls: Annotated[
        Controls | None, Option(help="What to compare with in the same run; quick by default.")
    ] = None
    resume_from: Annotated[
        Path | None, Option(help="A run folder whose data, network and settings to take; with --decisions.")
    ] = None
    decisions: Annotated[
        bool, Option("--decisions", help="Take what was decided in unchaff review as given.")
    ] = False


def command(given: Options) -> int:
    """Repair a network trained on noisy data.

    Scores every sample, splits the data, prunes the units that carry the noise where the method is
    unlearn-pruned, fine-tunes on what can be trusted, and compares the result with controls.

    Without DATA it is a demonstration: digits --noise symmetric:0.4 --controls all. With --resume-from RUN
    --decisions it repeats that run, with what a person decided in unchaff review taken as given.
    """
    from unchaff.cli import job, scaled

    if scaled.is_asked(given):
        scaled.check(given)
        return scaled.perform(given, given.data or "digits", scaled.repairing, budget=given.budget)
    if given.resume_from is not None or given.decisions:
        from unchaff.cli.again import reviewed

        return job.perform(given, reviewed(given), "repair")
    demonstrates = given.data is None
    if demonstrates:
        given = replace(given, noise=given.noise or DEMONSTRATION)
    wanted = replace(
        job.cell_of(given, given.data or "digits"),
        method=given.method,
        budget=given.budget,
        controls=given.controls or ("all" if demonstrates else "quick"),
    )
    return job.perform(given, wanted, "repair")
