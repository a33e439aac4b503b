"""A whole run: check, work, write, print."""

import shlex
from dataclasses import asdict, replace
from datetime import datetime
from pathlib import Path
from typing import Literal

import torch

from unchaff.bench.cell import Cell, Result, gather, run, score_only
from unchaff.cli import answer, options, show, table, terminal
from unchaff.cli.command import TYPED
from unchaff.cli.reading import reading
from unchaff.cli.said import say
from unchaff.cli.words import pasted, percent, plain
from unchaff.errors import ConfigError, Unfinished
from unchaff.evaluate.accuracy import predict
from unchaff.evaluate.metrics import metrics
from unchaff.journal import kept_by
from unchaff.report.page import page
from unchaff.report.verdict import verdict
from unchaff.report.views import Verdict
from unchaff.runs.layout import REPORT
from unchaff.runs.manifest import hashes, versions
from unchaff.runs.manifest import plain as plainly
from unchaff.runs.read import read
from unchaff.runs.record import Run
from unchaff.runs.told import told
from unchaff.runs.unfinished import finished, is_to_be_replaced, unfinished
from unchaff.runs.write import check_writable, write
from unchaff.streams import Streams

GATE_NOT_MET = 3
Command = Literal["score", "repair"]


def cell_of(given: options.Job, data: str) -> Cell:
    """Return the cell that the options of a run describe."""
    return replace(experiment_of(given, data), record=given.record, seed=given.seed)


def experiment_of(given: options.Experiment, data: str) -> Cell:
    """Return the cell that data, network and measure describe."""
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
        epochs=given.epochs,
        holdout=given.holdout,
        device=given.device,
    )


def folder_of(given: options.Job) -> Path:
    """Return the folder of a run: that asked for, or one named by the time.

    Raises:
        ConfigError: a run is to go on, and none was named.
    """
    if given.resume and given.out is None:
        raise ConfigError("--resume needs --out: the folder of the run to go on with.")
    return given.out or Path("runs") / datetime.now().astimezone().strftime("%Y-%m-%d-%H%M%S")


def perform(given: options.Job, cell: Cell, command: Command) -> int:
    """Score or repair into the run folder, print what came of it, and return the exit code."""
    folder = folder_of(given)
    settings = {"command": command, **plainly(asdict(cell))}
    measured = None
    if given.resume:
        measured = finished(folder, settings, lambda: _data_of(cell), overwrite=given.overwrite)
    if measured is not None:
        was = told(read(folder))
        return _said(given, folder, measured, verdict(was.measured, was.outcome), was.notes, anew=False)
    kept = unfinished(folder, overwrite=given.overwrite, resume=given.resume)
    overwrite = given.overwrite or is_to_be_replaced(folder)  # as was asked when it was begun
    check_writable(folder, overwrite=overwrite)
    kept.check("settings", {**settings, **versions(), "threads": torch.get_num_threads()})
    try:
        with show.stages(quiet=given.quiet), kept_by(kept):
            result = run(cell) if command == "repair" else score_only(cell)
            write(folder, run_of(result), page, overwrite=overwrite)
    except KeyboardInterrupt:
        again = f"--out {pasted(folder)} --resume"
        raise Unfinished(f"to go on, give the same command with {again}.") from None
    measured, judged = metrics(result.measured, result.outcome), verdict(result.measured, result.outcome)
    return _said(given, folder, measured, judged, result.notes, anew=True)


def _data_of(cell: Cell) -> dict[str, object]:
    """Return what identifies the data of a cell, as the manifest of its run would hold it."""
    material = gather(cell, streams=Streams(cell.seed))
    train, reviewed = material.loaded.train, material.reviewed
    return hashes(train if reviewed is None else reviewed.decisions.applied(train))


def _said(
    given: options.Job,
    folder: Path,
    measured: table.Metrics,
    judged: Verdict,
    notes: tuple[str, ...],
    *,
    anew: bool,
) -> int:
    """Say what came of a run, now or before, and return the exit code."""
    missed = missed_gate(given.fail_if_noise_above, measured["noise_rate_estimate"])

    def tell() -> None:
        if not anew:
            say(f"The run in {pasted(folder)} is finished: nothing is left to do.")
        table.show(measured, judged)
        for note in notes:
            terminal.tell(f"Note: {plain(note)}")
        say(f"Run folder: {pasted(folder)}")
        say(f"Report: {pasted(folder / REPORT)}")

    content = {
        **measured,
        "verdict": _plain(judged),
        "notes": [*notes],
        "run": answer.whole(folder),
        "report": answer.whole(folder / REPORT),
    }
    code = GATE_NOT_MET if missed else 0
    answer.give(given, answer.Answer(content=content, tell=tell, path=folder, code=code))
    if missed:
        say(missed, err=True)
    return code


def _plain(judged: Verdict) -> dict[str, object]:
    return {
        "tone": judged.tone,
        "sentence": plain(judged.sentence),
        "confidence": plain(judged.confidence),
        "details": [plain(detail) for detail in judged.details],
    }


def run_of(result: Result) -> Run:
    """Return what is written about a result."""
    reviewed = result.material.reviewed
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
        decisions=None if reviewed is None else reviewed.decisions,
        decided=None if reviewed is None else reviewed.content,
        notes=(
            *(f"Left out: {one.id}: {one.reason}" for one in result.material.loaded.skipped),
            *result.notes,
        ),
    )


def missed_gate(limit: float | None, rate: object) -> str:
    """Return why the noise gate is not met, or nothing; a method that makes no estimate passes no gate."""
    if limit is None:
        return ""
    if not isinstance(rate, float):
        return "Gate not met: the method made no estimate of the noise rate."
    if rate > limit:
        return f"Gate not met: estimated noise rate {percent(rate)}, allowed {percent(limit)}."
    return ""
