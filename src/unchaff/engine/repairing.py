"""Repair a network on data that no process holds: look, learn from the kept samples, look again, learn."""

import json
import time
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import safetensors.torch
from torch import nn

from unchaff import progress
from unchaff.attribute.readout import Readout
from unchaff.engine.begun import ANEW, MODEL, SUMMARY, Begin, begin, settings_of
from unchaff.engine.finding import Found
from unchaff.engine.learning import AVERAGED, LEARNER, Kept, Learned, Part, learned, named
from unchaff.engine.passes import UNFINISHED, Look
from unchaff.engine.scoring import Scored, Scoring, cost_of, scored_of
from unchaff.engine.stage import CPU, Engine
from unchaff.engine.store import Store, address
from unchaff.errors import ConfigError, RunFolderError
from unchaff.methods.finetune import FineTune, Schedule
from unchaff.methods.unlearn import ONE_MORE_LOOK, TWO_MORE_LOOKS, Allowed
from unchaff.nets.flops import count
from unchaff.records import Cost, Recipe, Trained
from unchaff.runs.manifest import versions
from unchaff.runs.weights import to_bytes
from unchaff.streams import Streams
from unchaff.train.initial import steps_of


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a repair may take, and its seed."""

    budget: float = 0.25  # operations of everything, as a share of one full training
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.budget <= 10:
            raise ConfigError(
                f"budget must be in (0, 10], got {self.budget}. A quarter of a training is 0.25."
            )


AGAIN = Readout(depth=1.0, own=1.0)  # of a network that is being repaired
LATER = ("plain",)  # which needs no mirror image


@dataclass(frozen=True, kw_only=True)
class Repaired:
    """What repairing on large data gave; the weights are in `model.safetensors` at `place`."""

    place: str
    model: nn.Module = field(repr=False)  # on the CPU
    scored: Scored  # by the last look
    cost: Cost
    share: float  # of the operations of one full training


@dataclass(frozen=True)
class Repairing:
    """One run, from look to look; each goes on with what the last attempt left.

    It is `unlearn` without its channel for inputs and without pruning: labels decide.
    """

    found: Found
    trained: Trained
    store: Store
    engine: Engine
    plan: Plan
    finetune: FineTune = field(default_factory=FineTune)

    def run(self) -> Repaired:
        """Do all that is left to do."""
        started, parts = time.perf_counter(), TWO_MORE_LOOKS if self.plan.budget >= 0.4 else ONE_MORE_LOOK
        look, full = Look(1, is_last=False), self._full()
        first = self._scoring(self.trained.model, look)
        scored, cost = first.run(), Cost(flops=first.flops)
        if scored.abstained:
            return self._done(self.trained.model, scored, cost, full, started)
        looks = sum(part.rescore for part in parts)
        later = self._scoring(self.trained.model, Look(2)).flops
        budget = self.plan.budget * full
        flops = Allowed(budget - first.flops, budget).left(after=looks * later)
        schedule = Schedule.plan(self.finetune, parts, self._with_recipe, self.found.example, flops=flops)
        schedule = schedule.over(self.found.count)
        weights = self._begun(schedule)
        for place, part in enumerate(parts, start=1):
            weights, left = self._learned(schedule, look, weights, place)
            cost = cost + left.cost
            schedule.done += 1
            if part.rescore:
                is_last = not any(after.rescore for after in parts[place:])
                look = Look(look.number + 1, is_last=is_last, remembers=Look(1, is_last=False))
                scoring = self._scoring(left.loaded(self.trained.model, AVERAGED).eval(), look)
                scored, cost = scoring.run(), cost + Cost(flops=scoring.flops)
                if scored.abstained:
                    return self._done(self.trained.model, scored, cost, full, started)
        return self._done(left.loaded(self.trained.model, LEARNER).eval(), scored, cost, full, started)

    def _scoring(self, model: nn.Module, look: Look) -> Scoring:
        """Return a look with a network; later looks hear what it says itself, in plain view."""
        trained = replace(self.trained, model=model)
        readout, views = (Readout(), None) if look.number == 1 else (AGAIN, LATER)
        return Scoring(self.found, trained, self.store, self.engine, readout, views=views, look=look)

    @property
    def _streams(self) -> Streams:
        return Streams(self.plan.seed)

    @property
    def _with_recipe(self) -> Trained:
        recipe = self.trained.recipe or Recipe.usual(
            self.trained.model, self.found.count, pretrained=self.trained.pretrained
        )
        return replace(self.trained, recipe=recipe)

    def _full(self) -> float:
        """Return the operations of one full training on all rows."""
        recipe = self._with_recipe.recipe_for(self.found.count)
        example = next(self.found.example.batches(2)).inputs
        seen = steps_of(recipe, self.found.count) * min(recipe.batch_size, self.found.count)
        return count(self.trained.model, example).training * seen

    def _begun(self, schedule: Schedule) -> str:
        name = f"{UNFINISHED}/learned-0.safetensors"
        if self.store.state(name) is None:
            begins_with = named(LEARNER, schedule.start(streams=self._streams))
            self.store.put_state(name, begins_with, {"flops": 0.0})
        return name

    def _learned(self, schedule: Schedule, look: Look, before: str, place: int) -> tuple[str, Learned]:
        """Return what a part has left and its name, learned now unless it is there."""
        name = f"{UNFINISHED}/learned-{place}.safetensors"
        found = learned(self.store, name)
        if found is None:
            kept = Kept(self.found.rows.few(), self.found.units, self.store, look)
            folder = f"{UNFINISHED}/learning-{place}"
            work = Part(kept, schedule, before, name, folder, self._streams)
            with progress.stage("fine-tune", schedule.steps[schedule.done], "steps") as shown:
                self.engine.together(work, self.store)
                shown.advance(schedule.steps[schedule.done])
            found = learned(self.store, name)
            self.store.drop(folder)
        if found is None:
            raise RunFolderError(f"{self.store.path(name)} is not there after learning. Go on with --resume.")
        return name, found

    def _done(self, model: nn.Module, scored: Scored, cost: Cost, full: float, started: float) -> Repaired:
        self.store.put(MODEL, to_bytes(model.state_dict()))
        spent = replace(cost, seconds=time.perf_counter() - started)
        return Repaired(
            place=self.store.place, model=model, scored=scored, cost=spent, share=cost.flops / full
        )


def repair(
    found: Found, trained: Trained, out: str, engine: Engine, plan: Plan | None = None, begun: Begin = ANEW
) -> Repaired:
    """Repair into a folder that all workers reach; `unlearn` by the labels, without pruning.

    Args:
        found: the data.
        trained: a finished network.
        out: folder, or address of one.
        engine: where stages run.
        plan: budget and seed.
        begun: what to do with what is there.

    Raises:
        RunFolderError: something else is there, or the attempt to resume had other settings.
    """
    plan, store = plan or Plan(), Store(address(out))
    settings = {**settings_of(found, trained), **asdict(plan)}
    before = begin(store, settings, begun)
    if before is not None:
        return _again(store, trained, before)
    progress.say(found.said)
    repaired = Repairing(found, trained.copied_to(CPU), store, engine, plan).run()
    told = {"scored": {**asdict(repaired.scored), "place": None}, "cost": asdict(repaired.cost)}
    said = {"settings": settings, "versions": versions(), "result": {**told, "share": repaired.share}}
    store.put(SUMMARY, json.dumps(said, indent=1).encode())
    store.drop(UNFINISHED)
    return repaired


def _again(store: Store, trained: Trained, said: dict[str, Any]) -> Repaired:
    """Return what a finished run gave."""
    content = store.read(MODEL)
    if content is None:
        raise RunFolderError(f"{store.path(MODEL)} is not there any more. Begin anew with --overwrite.")
    model = trained.copied_to(CPU).model
    model.load_state_dict(safetensors.torch.load(content))
    scored, cost = scored_of(store, said["scored"]), cost_of(said["cost"])
    return Repaired(place=store.place, model=model.eval(), scored=scored, cost=cost, share=said["share"])
