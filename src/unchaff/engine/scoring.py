"""Score every sample of data that no process holds: two passes, a split, and shards of what came of it."""

import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from unchaff import progress
from unchaff.attribute.chunks import LEFT
from unchaff.attribute.passes import check_finite
from unchaff.attribute.readout import WALKS, Readout
from unchaff.attribute.ridge import Ridge, Sums, flops_per_sample
from unchaff.data import Skipped
from unchaff.engine.begun import ANEW, SUMMARY, Begin, begin, settings_of
from unchaff.engine.deciding import (
    Count,
    Counted,
    Decision,
    Draw,
    Rule,
    Shard,
    Shards,
    Write,
    opinions_in,
)
from unchaff.engine.finding import Found
from unchaff.engine.passes import UNFINISHED, Look, Looker, Note, Recall, SumUp
from unchaff.engine.stage import CPU, Engine, Result, Stage
from unchaff.engine.store import Store, address
from unchaff.engine.units import Unit
from unchaff.errors import DataError, RunFolderError
from unchaff.partition.believed import most_fitted
from unchaff.partition.keep import spared
from unchaff.partition.latent import latent
from unchaff.partition.transition import BLIND, Transition
from unchaff.records import Cost, Trained
from unchaff.runs.manifest import versions
from unchaff.shards import tensor_of

EVERY = 10.0  # seconds between two writes of the sums
NAMED = 5  # skipped samples that are named


@dataclass(frozen=True, kw_only=True)
class Scored:
    """What scoring a large data set gave; the numbers of each sample are in `quality/` at `place`."""

    place: str
    samples: int
    skipped: int
    kept: int
    noise_rate: float  # estimated share of samples that are not fit to learn from
    abstained: bool
    reason: str
    notes: tuple[str, ...]
    cost: Cost


@dataclass
class Scoring:
    """One run, from stage to stage; each goes on with what the last attempt left."""

    found: Found
    trained: Trained
    store: Store
    engine: Engine
    readout: Readout = field(default_factory=Readout)
    rule: Transition = field(default_factory=Transition)
    views: tuple[str, ...] | None = None  # None: all that leave the label right
    look: Look = field(default_factory=Look)
    flops: float = field(init=False)  # operations of the whole look

    def __post_init__(self) -> None:
        example, looker = self.found.example, Looker(self.trained, self.readout, self.views)
        self._named, self._classes = list[Skipped](), example.num_classes
        walk = looker.walk(example)
        self._looker = replace(looker, reader=walk.reader)  # which must not differ from unit to unit
        numbers = walk.width + (self._classes if self.readout.own else 0)
        size = 4 * numbers * self.found.count  # bytes
        self._passes = 1 if size <= LEFT else WALKS  # over the rows themselves
        seeing = self._passes * walk.expected_flops(1) / len(example)
        self.flops = (seeing + flops_per_sample(walk.width, self._classes)) * self.found.count

    def run(self) -> Scored:
        """Do all that is left to do."""
        started = time.perf_counter()
        self._note(self.found.units, self._ridge())
        self.store.drop(self.look.reads)
        rule, fitted_on = self._fitted()
        names = self.found.example.class_names
        if rule is None:
            decision, reason = Decision.nothing(names), BLIND
            samples, kept, doubt = self._written(decision)
        else:
            counted = self._counted(rule)
            decision = Decision.of(rule, counted, names)
            samples, kept, doubt = self._written(decision)
            added = spared(kept, int(counted.kept.sum()))
            reason = self.rule.said(counted.tally, fitted_on, spared=added)
        return Scored(
            place=self.store.place,
            samples=samples,
            skipped=self.found.count - samples,
            kept=kept,
            noise_rate=doubt / samples,
            abstained=decision.keeps_all,
            reason=reason,
            notes=tuple(f"Left out: {one.id}: {one.reason}" for one in self._named),
            cost=Cost(time.perf_counter() - started, self._passes * samples, self.flops).as_stage("score"),
        )

    def _shown(self, name: str, units: Sequence[Unit], results: Iterable[Result]) -> Iterator[Result]:
        with progress.stage(name, sum(unit.rows for unit in units)) as shown:
            for unit, result in zip(units, results, strict=True):
                shown.advance(unit.rows)
                yield result

    def _ridge(self) -> Ridge:
        """Return the read-out, from the sums of all units, added up in their order."""
        sums, done = Sums(self._classes), 0
        before = self.store.state(self.look.sums)
        if before is not None:
            sums.restore(before[0])
            done = before[1]["units"]
            self._named = [Skipped(*each) for each in before[1]["named"]]
        written, left = time.monotonic(), self.found.units[done:]
        look = SumUp(self._looker, self.store, self.look, remembers=self._passes == 1)
        stage = Stage("sums", self.found.rows.few().read, look, on_device=True)
        for seen in self._shown("sums", left, self.engine.run(stage, left)):
            if seen.sums:
                sums.join(seen.sums)
            self._named += seen.named[: NAMED - len(self._named)]
            done += 1
            if time.monotonic() - written >= EVERY or done == len(self.found.units):
                named = [[one.id, one.reason] for one in self._named]
                self.store.put_state(self.look.sums, sums.state(), {"units": done, "named": named})
                written = time.monotonic()
        if sums.count < 2:
            raise DataError("No row of the tables can be used. Look at them with `unchaff doctor`.")
        check_finite(sums, sums.count)
        return sums.solve(self.readout.penalty if self._looker.reader is None else None)

    def _note(self, units: Sequence[Unit], ridge: Ridge) -> None:
        """Write the shards of evidence that are not there."""
        self._ridge_found = ridge
        there = set(self.store.names(self.look.folder))
        left = [unit for unit in units if Path(self.look.shard(unit)).name not in there]
        read = Recall(self.found.rows.few(), self.store, self.look)
        look = Note(self._looker, ridge, self.store, self.look)
        stage = Stage("score", read, look, on_device=self._passes > 1)  # what is recalled needs no network
        for _ in self._shown("score", left, self.engine.run(stage, left)):
            pass

    def _over_shards(self, name: str, look: Callable[[Shard], Result | None]) -> Iterator[Result]:
        """Yield what comes of each shard; broken ones are made anew."""
        stage, units = Stage(name, Shards(self.store, self.look), look), self.found.units
        broken = list[Unit]()
        for unit, result in zip(units, self._shown(name, units, self.engine.run(stage, units)), strict=True):
            if result is None:
                broken.append(unit)
            else:
                yield result
        if not broken:
            return
        progress.say(f"{len(broken)} shards of evidence are not as they were written, and are made anew.")
        for unit in broken:
            self.store.drop(self.look.shard(unit))
        self._note(broken, self._ridge_found)
        for unit, result in zip(broken, self.engine.run(stage, broken), strict=True):
            if result is None:
                raise RunFolderError(
                    f"{self.store.path(self.look.shard(unit))} cannot be read, though it was just "
                    "written. See to the disk."
                )
            yield result

    def _fitted(self) -> tuple[Rule | None, int]:
        """Fit the model of the noise to the samples with the lowest numbers."""
        size, limit = self.found.count, most_fitted(self._classes)
        below = min(2.0, (limit + 6 * limit**0.5) / size) if size > limit else 2.0
        drawn = [table for table in self._over_shards("noise", Draw(below)) if len(table)]
        if not drawn:
            raise DataError("There is no sample to judge.")
        table = pa.concat_tables(drawn)
        table = table.take(pc.sort_indices(table, [("number", "ascending")])[:limit])
        table = table.take(pc.sort_indices(table, [("id", "ascending")]))
        found = latent(opinions_in(table), tensor_of(table.column("label")))
        return (Rule(self.rule, found.model, self._classes) if found.agrees else None), len(table)

    def _counted(self, rule: Rule) -> Counted:
        found = iter(self._over_shards("count", Count(rule)))
        total = next(found)
        for each in found:
            total = total + each
        return total

    def _written(self, decision: Decision) -> tuple[int, int, float]:
        look = replace(self.look, is_last=self.look.is_last or decision.keeps_all)  # nothing comes after
        done = list(self._over_shards("split", Write(decision, self.store, look)))
        samples, kept = sum(each[0] for each in done), sum(each[1] for each in done)
        return samples, kept, sum(each[2] for each in done)


def score(found: Found, trained: Trained, out: str, engine: Engine, begun: Begin = ANEW) -> Scored:
    """Score into a folder that all workers reach.

    Args:
        found: the data.
        trained: a finished network.
        out: folder, or address of one.
        engine: where stages run.
        begun: what to do with what is there.

    Raises:
        RunFolderError: something else is there, or the attempt to resume had other settings.
    """
    store, settings = Store(address(out)), settings_of(found, trained)
    before = begin(store, settings, begun)
    if before is not None:
        return scored_of(store, before)
    progress.say(found.said)
    scored = Scoring(found, trained.copied_to(CPU), store, engine).run()
    said = {"settings": settings, "versions": versions(), "result": {**asdict(scored), "place": None}}
    store.put(SUMMARY, json.dumps(said, indent=1).encode())
    store.drop(UNFINISHED)
    return scored


def scored_of(store: Store, said: dict[str, Any]) -> Scored:
    """Return what was found before."""
    notes, cost = tuple(said["notes"]), cost_of(said["cost"])
    return Scored(**{**said, "place": store.place, "notes": notes, "cost": cost})


def cost_of(said: dict[str, Any]) -> Cost:
    """Return a cost without its stages."""
    return Cost(*(said[name] for name in ("seconds", "samples_seen", "flops")))
