"""A run on a cluster: the same command, for data that are too many for one process."""

import shlex
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

from unchaff.bench.cell import Cell
from unchaff.bench.start import start
from unchaff.cli import answer, job, options, show, terminal
from unchaff.cli.said import say
from unchaff.cli.words import duration, percent, plain
from unchaff.engine import Engine, Ray, Scored, found, score
from unchaff.engine.store import address
from unchaff.errors import ConfigError, Unfinished
from unchaff.runs.weights import load_weights
from unchaff.streams import Streams

USELESS = ("noise", "truth", "record", "test", "reference", "initial")  # what such a run does nothing with


def is_asked(given: options.Placed) -> bool:
    """Whether a cluster was asked for.

    Raises:
        ConfigError: an option was given that means nothing without one, or with one.
    """
    alone = [name for name in ("ray_address", "scorers") if getattr(given, name) is not None]
    if given.engine == "here" and alone:
        raise ConfigError(f"{_option(alone[0])} is for --engine ray. Add that, or leave it out.")
    if given.engine == "here":
        return False
    vain = [name for name in USELESS if getattr(given, name) is not None]
    if vain:
        raise ConfigError(
            f"{_option(vain[0])} has no use with --engine ray, which scores the rows as they are. "
            "Leave it out; `unchaff inject` plants noise."
        )
    return True


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def perform(given: options.Placed, data: str) -> int:
    """Score on a cluster, print what came of it, and return the exit code."""
    if given.resume and given.out is None:
        raise ConfigError("--resume needs --out: the folder of the run to go on with.")
    folder = given.out or Path("runs") / datetime.now().astimezone().strftime("%Y-%m-%d-%H%M%S")
    out = address(folder)
    out = out if "://" in out else str(folder.expanduser().resolve())
    cell = job.cell_of(given, data)
    if cell.weights is None and cell.options.hub is None:
        raise ConfigError(
            "--engine ray scores with a finished network. Give --weights, or a model folder as --model."
        )
    if cell.weights is not None:
        load_weights(cell.weights)  # what is wrong with them is said before a cluster starts
    engine = Ray(address=given.ray_address, scorers=given.scorers, device=given.device)
    try:
        with show.stages(quiet=given.quiet), engine:
            scored = _scored(given, cell, out, engine)
    except KeyboardInterrupt:
        again = f"--out {shlex.quote(out)} --resume"
        raise Unfinished(f"to go on, give the same command with {again}.") from None
    return _said(given, scored)


def _scored(given: options.Placed, cell: Cell, out: str, engine: Engine) -> Scored:
    rows = found(cell.data, cell.options, engine)
    _, trained = start(cell, rows.rows.example, streams=Streams(cell.seed))
    return score(rows, trained, out, engine, resume=given.resume, overwrite=given.overwrite)


def _said(given: options.Placed, scored: Scored) -> int:
    """Say what came of a run, and return the exit code."""
    missed = job.missed_gate(given.fail_if_noise_above, scored.noise_rate)

    def tell() -> None:
        terminal.tell(plain(scored.reason), style="bold")
        say("")
        say(
            f"samples      {scored.samples:,}" + (f" ({scored.skipped:,} left out)" if scored.skipped else "")
        )
        say(f"noise rate   {percent(scored.noise_rate)} (estimated)")
        say(f"kept         {scored.kept:,} ({percent(scored.kept / scored.samples)})")
        say(f"took         {duration(scored.cost.seconds)}")
        for note in scored.notes:
            terminal.tell(f"Note: {plain(note)}")
        say(f"Quality of every sample: {scored.place}/quality")

    content = {**asdict(scored), "cost": {"seconds": scored.cost.seconds, "flops": scored.cost.flops}}
    code = job.GATE_NOT_MET if missed else 0
    answer.give(given, answer.Answer(content=content, tell=tell, path=scored.place, code=code))
    if missed:
        say(missed, err=True)
    return code
