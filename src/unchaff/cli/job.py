"""A whole run: check, work, write, print."""

import shlex
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

import torch

from unchaff.bench.cell import Cell, Result
from unchaff.cli import options, show, table
from unchaff.cli.command import TYPED
from unchaff.cli.reading import reading
from unchaff.cli.said import say
from unchaff.errors import ConfigError, Unfinished
from unchaff.evaluate.accuracy import predict
from unchaff.evaluate.metrics import metrics
from unchaff.journal import kept_by
from unchaff.report.page import page
from unchaff.runs.manifest import plain, versions
from unchaff.runs.record import Run
from unchaff.runs.unfinished import finished, unfinished
from unchaff.runs.write import check_writable, write

GATE_NOT_MET = 3


def cell_of(given: options.Job, data: str) -> Cell:
    """Return the cell that the shared options of a run describe."""
    return Cell(
        data=data,
        options=reading(given),
        test=given.test,
        reference=given.reference,
        noise=given.noise or "none",
        truth=given.truth,
        model=given.model,
        weights=given.weights,
        initial=given.initial,
        record=given.record,
        epochs=given.epochs,
        holdout=given.holdout,
        device=given.device,
        seed=given.seed,
    )


def perform(given: options.Job, cell: Cell, run: Callable[[Cell], Result]) -> int:
    """Run a cell into its run folder, print what came of it, and return the exit code."""
    if given.resume and given.out is None:
        raise ConfigError("--resume needs --out: the folder of the run to go on with.")
    folder = given.out or Path("runs") / datetime.now().astimezone().strftime("%Y-%m-%d-%H%M%S")
    settings = plain(asdict(cell))
    if given.resume and (measured := finished(folder, settings)):
        say(f"The run in {folder} is finished: nothing is left to do.")
        return gate(given.fail_if_noise_above, measured["noise_rate_estimate"])
    kept = unfinished(folder, overwrite=given.overwrite, resume=given.resume)
    check_writable(folder, overwrite=given.overwrite)
    kept.check("settings", {**settings, **versions(), "threads": torch.get_num_threads()})
    try:
        with show.stages(), kept_by(kept):
            result = run(cell)
            write(folder, run_of(result), page, overwrite=given.overwrite)
    except KeyboardInterrupt:
        raise Unfinished(f"to go on, give the same command with --out {folder} --resume.") from None
    measured = metrics(result.measured, result.outcome)
    table.show(measured)
    for note in result.notes:
        say(f"Note: {note}")
    say(f"Run folder: {folder}; open {folder / 'report.html'}.")
    return gate(given.fail_if_noise_above, measured["noise_rate_estimate"])


def run_of(result: Result) -> Run:
    """Return what is written about a result."""
    return Run(
        samples=result.samples,
        trained=result.trained,
        outcome=result.outcome,
        predicted=predict(result.outcome.model, result.samples).cpu(),
        measured=result.measured,
        model=result.model_spec,
        frontend=result.material.loaded.prepare.to_json(),
        config=asdict(result.cell),
        seed=result.cell.seed,
        command=shlex.join(("unchaff", *TYPED.get())),
        beside=result.material.beside,
        notes=(
            *(f"Left out: {one.id}: {one.reason}" for one in result.material.loaded.skipped),
            *result.notes,
        ),
    )


def gate(limit: float | None, rate: object) -> int:
    """Return the exit code of the noise gate; a method that makes no estimate passes no gate."""
    if limit is None:
        return 0
    if not isinstance(rate, float):
        say("Gate not met: the method made no estimate of the noise rate.", err=True)
        return GATE_NOT_MET
    if rate > limit:
        say(
            f"Gate not met: estimated noise rate {table.percent(rate)}, allowed {table.percent(limit)}.",
            err=True,
        )
        return GATE_NOT_MET
    return 0
