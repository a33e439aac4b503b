"""Repair a network on data that no process holds: look, learn from the kept samples, look again, learn."""

import copy
import json
import time
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import safetensors.torch
import torch
from torch import nn

from unchaff import progress
from unchaff.attribute.readout import Readout
from unchaff.engine.begun import ANEW, MODEL, SUMMARY, Begin, begin, settings_of
from unchaff.engine.finding import Found
from unchaff.engine.learning import AVERAGED, LEARNER, Kept, Part, learned
from unchaff.engine.passes import UNFINISHED, Look, Looker
from unchaff.engine.scoring import Scored, Scoring, cost_of, scored_of
from unchaff.engine.stage import Engine
from unchaff.engine.store import Store, address
from unchaff.errors import ConfigError, RunFolderError
from unchaff.methods.finetune import FineTune, Schedule
from unchaff.methods.unlearn import LEARNING, ONE_MORE_LOOK, TWO_MORE_LOOKS
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


LATER = ("plain",)  # a network that is being repaired needs no mirror image


@dataclass(frozen=True, kw_only=True)
class Repaired:
    """What repairing on large data gave; the weights are in `model.safetensors` at `place`."""

    place: str
    model: nn.Module = field(repr=False)
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
        again = replace(Readout(), depth=1.0, own=1.0)
        first_look, full = Look(1, is_last=False), self._full()
        first = self._scoring(look=first_look)
        scored, cost = first.run(), Cost(flops=first.flops)
        if scored.abstained:
            scored = self._scoring(look=replace(first_look, is_last=True)).run()
            return self._done(copy.deepcopy(self.trained.model), scored, cost, full, started)
        looker = Looker(self.trained, again, LATER).settled(self.found.rows.example)
        each = looker.flops(self.found.rows.example) * self._rows
        looks = sum(part.rescore for part in parts)
        allowed = max(
            self.plan.budget * full - first.flops - looks * each, LEARNING * self.plan.budget * full
        )
        schedule = Schedule.plan(
            self.finetune, parts, self._with_recipe, self.found.rows.example, flops=allowed
        )
        look, weights = first_look, self._begun(schedule)
        for place, part in enumerate(parts, start=1):
            weights, spent = self._learned(schedule, look, weights, place)
            cost = cost + spent
            schedule.done += 1
            if part.rescore:
                after = sum(later.rescore for later in parts[place:])
                look = Look(look.number + 1, is_last=not after, remembers=first_look)
                scoring = self._scoring(
                    look=look, readout=again, views=LATER, model=self._model(weights, AVERAGED)
                )
                scored, cost = scoring.run(), cost + Cost(flops=scoring.flops)
        return self._done(self._model(weights, LEARNER), scored, cost, full, started)

    def _scoring(self, *, model: nn.Module | None = None, **how: Any) -> Scoring:  # noqa: ANN401 - its fields
        trained = self.trained if model is None else replace(self.trained, model=model)
        return Scoring(self.found, trained, self.store, self.engine, **how)

    @property
    def _streams(self) -> Streams:
        return Streams(self.plan.seed)

    @property
    def _rows(self) -> int:
        return sum(unit.rows for unit in self.found.units)

    @property
    def _with_recipe(self) -> Trained:
        recipe = self.trained.recipe or Recipe.usual(
            self.trained.model, self._rows, pretrained=self.trained.pretrained
        )
        return replace(self.trained, recipe=recipe)

    def _full(self) -> float:
        """Return the operations of one full training on all rows."""
        recipe = self._with_recipe.recipe_for(self._rows)
        example = next(self.found.rows.example.batches(2)).inputs
        seen = steps_of(recipe, self._rows) * min(recipe.batch_size, self._rows)
        return count(self.trained.model, example).training * seen

    def _begun(self, schedule: Schedule) -> str:
        name = f"{UNFINISHED}/learned-0.safetensors"
        if self.store.state(name) is None:
            state = schedule.start(streams=self._streams).state_dict()
            self.store.put_state(name, {f"{LEARNER}{key}": each for key, each in state.items()}, {})
        return name

    def _learned(self, schedule: Schedule, look: Look, before: str, place: int) -> tuple[str, Cost]:
        """Return the name of the weights after a part, learned now unless they are there."""
        name = f"{UNFINISHED}/learned-{place}.safetensors"
        if self.store.state(name) is None:
            rows = self.found.rows.few()
            kept = Kept(rows, self.found.units, self.store, look)
            work = Part(kept, schedule, before, name, self._streams)
            with progress.stage("fine-tune", schedule.steps[schedule.done], "steps") as shown:
                self.engine.together(work, self.store)
                shown.advance(schedule.steps[schedule.done])
        return name, self._state(name, LEARNER)[1]

    def _state(self, name: str, prefix: str) -> tuple[dict[str, torch.Tensor], Cost]:
        found = learned(self.store, name, prefix)
        if found is None:
            raise RunFolderError(f"{self.store.path(name)} is not there after learning. Go on with --resume.")
        return found

    def _model(self, name: str, prefix: str) -> nn.Module:
        model = copy.deepcopy(self.trained.model)
        model.load_state_dict(self._state(name, prefix)[0])
        return model.eval()

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
    repaired = Repairing(found, trained, store, engine, plan).run()
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
    model = copy.deepcopy(trained.model)
    model.load_state_dict(safetensors.torch.load(content))
    scored, cost = scored_of(store, said["scored"]), cost_of(said["cost"])
    return Repaired(place=store.place, model=model.eval(), scored=scored, cost=cost, share=said["share"])
