"""Score every sample of data that no process holds: two passes, a split, and shards of what came of it."""

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch

from unchaff import progress
from unchaff.attribute.readout import Readout
from unchaff.attribute.ridge import Ridge, Sums
from unchaff.data import Skipped
from unchaff.engine.deciding import (
    QUALITY,
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
from unchaff.engine.passes import SHARDS, Looker, Note, Seen, SumUp, shard
from unchaff.engine.rows import Portion
from unchaff.engine.stage import Engine, Result, Stage
from unchaff.engine.store import Store
from unchaff.engine.units import Unit
from unchaff.errors import DataError, RunFolderError
from unchaff.journal import difference
from unchaff.partition.believed import most_fitted
from unchaff.partition.latent import latent
from unchaff.partition.transition import BLIND, Transition
from unchaff.records import Cost, Trained
from unchaff.runs.manifest import plain, sha256, versions
from unchaff.runs.weights import to_bytes

SUMMARY = "summary.json"  # written last: a run without it is not finished
UNFINISHED = "unfinished"  # folder of what is needed only until then
SUMS = f"{UNFINISHED}/sums.safetensors"
SETTINGS = f"{UNFINISHED}/settings.json"
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

    def __post_init__(self) -> None:
        self._cost, self._named = Cost(), list[Skipped]()
        self._looker = Looker.of(self.trained, self.readout, self.found.rows.example)
        self._classes = self.found.rows.example.num_classes

    def run(self) -> Scored:
        """Do all that is left to do."""
        started = time.perf_counter()
        progress.say(self.found.said)
        self._note(self.found.units, self._ridge())
        rule, fitted_on = self._fitted()
        names = self.found.rows.example.class_names
        if rule is None:
            decision, reason = Decision.nothing(names), BLIND
        else:
            counted = self._counted(rule)
            decision = Decision.of(rule, counted, names)
            reason = self.rule.said(counted.tally, fitted_on)
        samples, kept, doubt = self._written(decision)
        return Scored(
            place=self.store.place,
            samples=samples,
            skipped=sum(unit.rows for unit in self.found.units) - samples,
            kept=kept,
            noise_rate=doubt / samples,
            abstained=decision.keeps_all,
            reason=reason,
            notes=tuple(f"Left out: {one.id}: {one.reason}" for one in self._named),
            cost=replace(self._cost, seconds=time.perf_counter() - started),
        )

    def _stage(self, name: str, look: Callable[[Portion], Result]) -> Stage[Portion, Result]:
        """Return a stage over the data."""
        return Stage(name, self.found.rows.few().read, look, on_device=True)

    def _shown(self, name: str, units: Sequence[Unit], results: Iterable[Result]) -> Iterator[Result]:
        with progress.stage(name, sum(unit.rows for unit in units)) as shown:
            for unit, result in zip(units, results, strict=True):
                shown.advance(unit.rows)
                yield result

    def _ridge(self) -> Ridge:
        """Return the read-out, from the sums of all units, added up in their order."""
        sums, done = Sums(self._classes), 0
        before = self.store.state(SUMS)
        if before is not None:
            sums.restore(before[0])
            done = int(str(before[1]["units"]))
        written, left = time.monotonic(), self.found.units[done:]
        stage = self._stage("sums", SumUp(self._looker))
        for seen in self._shown("sums", left, self.engine.run(stage, left)):
            self._take(seen)
            if seen.sums:
                sums.join(seen.sums)
            done += 1
            if time.monotonic() - written >= EVERY or done == len(self.found.units):
                self.store.put_state(SUMS, sums.state(), {"units": done})
                written = time.monotonic()
        if sums.count < 2:
            raise DataError("No row of the tables can be used. Look at them with `unchaff doctor`.")
        walk = self._looker.walk(self.found.rows.example)
        return sums.solve(None if walk.reads_inputs else self.readout.penalty)

    def _note(self, units: Sequence[Unit], ridge: Ridge) -> None:
        """Write the shards of evidence that are not there."""
        self._ridge_found = ridge
        there = set(self.store.names(SHARDS))
        left = [unit for unit in units if Path(shard(unit.number)).name not in there]
        stage = self._stage("score", Note(self._looker, ridge, self.store))
        for seen in self._shown("score", left, self.engine.run(stage, left)):
            self._take(seen)
            self._named += seen.named[: NAMED - len(self._named)]

    def _take(self, seen: Seen) -> None:
        self._cost = self._cost + seen.cost

    def _over_shards(self, name: str, look: Callable[[Shard], Result | None]) -> Iterator[Result]:
        """Yield what comes of each shard; broken ones are made anew."""
        stage, units, broken = Stage(name, Shards(self.store), look), self.found.units, list[Unit]()
        for unit, result in zip(units, self._shown(name, units, self.engine.run(stage, units)), strict=True):
            if result is None:
                broken.append(unit)
            else:
                yield result
        if not broken:
            return
        progress.say(f"{len(broken)} shards of evidence are not as they were written, and are made anew.")
        for unit in broken:
            self.store.drop(shard(unit.number))
        self._note(broken, self._ridge_found)
        for unit, result in zip(broken, self.engine.run(stage, broken), strict=True):
            if result is None:
                raise RunFolderError(
                    f"{self.store.path(shard(unit.number))} cannot be read, though it was just "
                    "written. See to the disk."
                )
            yield result

    def _fitted(self) -> tuple[Rule | None, int]:
        """Fit the model of the noise to the samples with the lowest numbers."""
        size, limit = sum(unit.rows for unit in self.found.units), most_fitted(self._classes)
        below = min(2.0, (limit + 6 * limit**0.5) / size) if size > limit else 2.0
        drawn = [table for table in self._over_shards("noise", Draw(below)) if len(table)]
        if not drawn:
            raise DataError("There is no sample to judge.")
        table = pa.concat_tables(drawn)
        table = table.take(pc.sort_indices(table, [("number", "ascending")])[:limit])
        table = table.take(pc.sort_indices(table, [("id", "ascending")]))
        labels = torch.from_numpy(np.array(table.column("label").to_numpy()))
        found = latent(opinions_in(table), labels)
        return (Rule(self.rule, found.model, self._classes) if found.agrees else None), len(table)

    def _counted(self, rule: Rule) -> Counted:
        found = iter(self._over_shards("count", Count(rule)))
        total = next(found)
        for each in found:
            total = total + each
        return total

    def _written(self, decision: Decision) -> tuple[int, int, float]:
        done = list(self._over_shards("split", Write(decision, self.store)))
        samples, kept = sum(each[0] for each in done), sum(each[1] for each in done)
        return samples, kept, sum(each[2] for each in done)


def score(
    found: Found,
    trained: Trained,
    out: str,
    engine: Engine,
    *,
    resume: bool = False,
    overwrite: bool = False,
) -> Scored:
    """Score into a folder that all workers reach.

    Args:
        found: the data.
        trained: a finished network.
        out: folder, or address of one.
        engine: where stages run.
        resume: go on with what an earlier attempt left there.
        overwrite: delete what is there.

    Raises:
        RunFolderError: something else is there, or the attempt to resume had other settings.
    """
    store, settings = Store(out), _settings(found, trained)
    if resume and (before := store.read(SUMMARY)) is not None:
        return _finished(store, json.loads(before), settings)
    _begin(store, settings, resume=resume, overwrite=overwrite)
    scored = Scoring(found, trained, store, engine).run()
    said = {"settings": settings, "versions": versions(), "result": {**asdict(scored), "place": None}}
    store.put(SUMMARY, json.dumps(said, indent=1).encode())
    store.drop(UNFINISHED)
    return scored


def _finished(store: Store, said: dict[str, Any], settings: dict[str, object]) -> Scored:
    """Return what was found before, by the same settings."""
    differing = difference(said["settings"], json.loads(json.dumps(settings)))
    if differing:
        raise RunFolderError(
            f"The finished run in {store.place} had other settings: {differing}. Choose another --out, or "
            "--overwrite to replace it."
        )
    result = said["result"]
    cost = Cost(*(result["cost"][name] for name in ("seconds", "samples_seen", "flops")))
    return Scored(**{**result, "place": store.place, "notes": tuple(result["notes"]), "cost": cost})


def _begin(store: Store, settings: dict[str, object], *, resume: bool, overwrite: bool) -> None:
    """See to it that the folder is empty, or holds the begun run of the same settings."""
    there = store.names()
    ours = {SUMMARY, UNFINISHED, QUALITY}
    if overwrite and there and set(there) <= ours:
        for name in there:
            store.drop(name)
        there = []
    if there and not set(there) <= ours:
        raise RunFolderError(f"{store.place} holds something else than such a run. Choose another --out.")
    if SUMMARY in there:
        raise RunFolderError(
            f"{store.place} holds a finished run. Choose another --out, or --overwrite to replace it."
        )
    begun = store.read(SETTINGS)
    if begun is not None and not resume:
        raise RunFolderError(
            f"{store.place} holds an unfinished run. Go on with --resume, begin anew with --overwrite, or "
            "choose another --out."
        )
    if begun is None:
        store.put(SETTINGS, json.dumps(settings).encode())
        return
    differing = difference(json.loads(begun), json.loads(json.dumps(settings)))
    if differing:
        raise RunFolderError(
            f"The unfinished run in {store.place} differs in its settings: {differing}. Give back what it "
            "began with, or --overwrite to begin anew."
        )


def _settings(found: Found, trained: Trained) -> dict[str, object]:
    cut = hashlib.sha256(repr(found.units).encode()).hexdigest()
    return {
        "rows": sum(unit.rows for unit in found.units),
        "units_sha256": cut,
        "classes": list(found.rows.example.class_names),
        "options": plain(asdict(found.options)),
        "network_sha256": sha256(to_bytes(trained.model.state_dict())),
    }
