"""A run on a cluster: the same command, for data that are too many for one process."""

import shlex
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING

from unchaff.bench.cell import Cell
from unchaff.bench.start import start
from unchaff.cli import answer, job, options, show, terminal
from unchaff.cli.said import say
from unchaff.cli.words import duration, percent, plain
from unchaff.data import load_like
from unchaff.engine import Begin, Engine, Plan, Ray, Scored, found, repair, score
from unchaff.engine.begun import MODEL
from unchaff.engine.finding import Found
from unchaff.engine.store import address
from unchaff.errors import ConfigError, Unfinished
from unchaff.evaluate.accuracy import score as accuracy_of
from unchaff.records import Cost, Trained
from unchaff.runs.weights import load_weights
from unchaff.samples import Samples
from unchaff.streams import Streams

if TYPE_CHECKING:
    from unchaff.cli.repair import Options as RepairOptions

OF_RAY = ("ray_address", "ray_patience", "ray_silence", "scorers", "trainers")  # mean nothing without it
USELESS = ("noise", "truth", "record", "reference")  # what such a run does nothing with


def is_asked(given: options.Placed) -> bool:
    """Whether a cluster was asked for.

    Raises:
        ConfigError: an option was given that means nothing without one, or with one.
    """
    alone = [name for name in OF_RAY if getattr(given, name) is not None]
    if given.engine == "here" and alone:
        raise ConfigError(f"{_option(alone[0])} is for --engine ray. Add that, or leave it out.")
    if given.engine == "here":
        return False
    vain = [name for name in USELESS if getattr(given, name) is not None]
    if vain:
        raise ConfigError(
            f"{_option(vain[0])} has no use with --engine ray, which takes the rows as they are. "
            "Leave it out; `unchaff inject` plants noise."
        )
    return True


def check(given: "RepairOptions") -> None:
    """Refuse what a repair does on one machine only.

    Raises:
        ConfigError: such a thing was asked for.
    """
    if given.method != "unlearn":
        raise ConfigError(
            f"--engine ray repairs by unlearn, and not by {given.method}. Leave --method or --engine out."
        )
    if given.controls not in (None, "none") or given.decisions or given.resume_from is not None:
        raise ConfigError(
            "--engine ray runs no controls and takes no decisions of a person. Leave --controls, --decisions "
            "and --resume-from out."
        )
    if given.data is None:
        raise ConfigError("--engine ray needs data. Name them: `unchaff repair DATA --engine ray`.")


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


@dataclass(frozen=True)
class Done:
    """What a run gave, and what there is to say of it beyond its split."""

    scored: Scored
    cost: Cost  # of everything
    lines: tuple[str, ...] = ()
    content: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Work:
    """What a run works on."""

    cell: Cell
    rows: Found
    trained: Trained
    out: str
    engine: Engine
    begun: Begin

    @property
    def test(self) -> Samples | None:
        """Test data, where they were named or came with the others."""
        if self.cell.test is None:
            return self.rows.loaded.test
        return load_like(self.cell.test, self.rows.loaded, self.cell.options)


def scoring(work: Work) -> Done:
    """Rate every sample."""
    scored = score(work.rows, work.trained, work.out, work.engine, work.begun)
    return Done(scored, scored.cost)


def repairing(work: Work) -> Done:
    """Repair the network, and measure it before and after where there are test data."""
    test, plan = work.test, Plan(budget=work.cell.budget or Plan().budget, seed=work.cell.seed)
    done = repair(work.rows, work.trained, work.out, work.engine, plan, work.begun)
    lines = [f"cost share   {done.share:.2f} of one full training"]
    content: dict[str, object] = {"share": done.share, "model": f"{done.place}/{MODEL}"}
    if test is not None:
        before, after = (accuracy_of(each, test).accuracy for each in (work.trained.model, done.model))
        lines = [f"before       {percent(before)} right", f"repaired     {percent(after)} right", *lines]
        content |= {"before": before, "after": after}
    return Done(done.scored, done.cost, (*lines, f"Network: {done.place}/{MODEL}"), content)


def perform(
    given: options.Placed, data: str, run: Callable[[Work], Done], budget: float | None = None
) -> int:
    """Run on a cluster, print what came of it, and return the exit code."""
    out = address(job.folder_of(given))
    cell = replace(job.cell_of(given, data), budget=budget)
    if cell.weights is None and cell.options.hub is None:
        raise ConfigError(
            "--engine ray begins with a finished network. Give --weights, or a model folder as --model."
        )
    if cell.weights is not None:
        load_weights(cell.weights)  # what is wrong with them is said before a cluster starts
    waits = {"patience": given.ray_patience, "silence": given.ray_silence}
    cluster = Ray(
        address=given.ray_address,
        scorers=given.scorers,
        trainers=given.trainers,
        device=given.device,
        **{name: value for name, value in waits.items() if value is not None},
    )
    begun = Begin(resume=given.resume, overwrite=given.overwrite)
    try:
        with show.stages(quiet=given.quiet), cluster as engine:
            rows = found(cell.data, cell.options, engine)
            _, trained = start(cell, rows.example, streams=Streams(cell.seed))
            done = run(Work(cell, rows, trained, out, engine, begun))
    except KeyboardInterrupt:
        again = f"--out {shlex.quote(out)} --resume"
        raise Unfinished(f"to go on, give the same command with {again}.") from None
    return _said(given, done)


def _said(given: options.Placed, done: Done) -> int:
    """Say what came of a run, and return the exit code."""
    scored = done.scored
    missed = job.missed_gate(given.fail_if_noise_above, scored.noise_rate)
    left_out = f" ({scored.skipped:,} left out)" if scored.skipped else ""

    def tell() -> None:
        terminal.tell(plain(scored.reason), style="bold")
        say("")
        say(f"samples      {scored.samples:,}{left_out}")
        say(f"noise rate   {percent(scored.noise_rate)} (estimated)")
        say(f"kept         {scored.kept:,} ({percent(scored.kept / scored.samples)})")
        for line in done.lines:
            say(line)
        say(f"took         {duration(done.cost.seconds)}")
        for note in scored.notes:
            terminal.tell(f"Note: {plain(note)}")
        say(f"Quality of every sample: {scored.place}/quality")

    cost = {"seconds": done.cost.seconds, "flops": done.cost.flops}
    code = job.GATE_NOT_MET if missed else 0
    content = {**asdict(scored), "cost": cost, **done.content}
    answer.give(given, answer.Answer(content=content, tell=tell, path=scored.place, code=code))
    if missed:
        say(missed, err=True)
    return code
