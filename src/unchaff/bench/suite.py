"""Run a suite cell by cell: whatever is in the results file is not run again."""

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property

import torch
from torch import nn

from unchaff import progress
from unchaff.bench import backbones, contenders
from unchaff.bench.cell import Cell, Material, gather
from unchaff.bench.detectors import detector
from unchaff.bench.networks import Beginning, finished
from unchaff.bench.only import matching
from unchaff.bench.probes import Probing, applies, probed, tagged
from unchaff.bench.rows import Results, Row, made, packed
from unchaff.bench.settings import Place, Setting
from unchaff.bench.summaries import SummaryGround
from unchaff.errors import ConfigError, ModelError, NeedsError, TrainingError
from unchaff.evaluate.accuracy import score
from unchaff.evaluate.calibration import calibrate
from unchaff.evaluate.cost import share
from unchaff.evaluate.detection import Detection, detect
from unchaff.evaluate.suggestions import suggest
from unchaff.prune.sizes import Size
from unchaff.records import Cost, Partition, Trained, Truth
from unchaff.runs.manifest import hashes
from unchaff.streams import Streams
from unchaff.train.initial import full_cost

RANKING = ("auroc", "auprc", "fnr_at_rate", "noise_rate", "num_noisy", "n")  # what needs no split


@dataclass(frozen=True, kw_only=True)
class Todo:
    """One row to be made."""

    setting: Setting
    name: str
    seed: int
    is_detector: bool = False

    def __str__(self) -> str:
        return f"{self.setting.name}/{self.name}/{self.seed}"

    @property
    def key(self) -> str:
        """A hash of all that decides the numbers."""
        what = repr(detector(self.name)) if self.is_detector else contenders.identity(self.name)
        told = json.dumps([self.setting.ground, self.name, what, self.seed], sort_keys=True)
        return hashlib.sha256(told.encode()).hexdigest()[:20]


def planned(settings: Sequence[Setting], *, only: str = "", seeds: Sequence[int] | None = None) -> list[Todo]:
    """Return the rows of a suite in the order they are made: ground by ground, seed by seed.

    Args:
        settings: of the suite.
        only: a regular expression that must be found in SETTING/NAME/SEED.
        seeds: instead of those of the settings.

    Raises:
        ConfigError: the expression is none, or leaves nothing.
    """
    todo = [
        Todo(setting=setting, name=name, seed=seed, is_detector=is_detector)
        for setting in settings
        for seed in (setting.seeds if seeds is None else seeds)
        for names, is_detector in ((setting.contenders, False), (setting.detectors, True))
        for name in names
    ]
    names = ", ".join(setting.name for setting in settings)
    return matching(only, todo, known=f"SETTING/NAME/SEED, of {names}")


def run(
    todo: Sequence[Todo],
    results: Results,
    place: Place,
    *,
    minutes: float | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Row]:
    """Make what is missing and yield each new row when it is in the file.

    Args:
        todo: in the order of `planned`.
        results: the file; its rows are not made again.
        place: data, networks, device.
        minutes: after so many no further row is begun; a later call goes on.
        clock: seconds that only rise.
    """
    begun = clock()
    ground: Ground | SummaryGround | None = None
    for each in todo:
        if each.key in results.rows:
            continue
        if minutes is not None and clock() - begun > 60 * minutes:
            return
        if ground is None or (ground.setting, ground.seed) != (each.setting, each.seed):
            kind = SummaryGround if each.setting.summarises else Ground
            ground = kind(each.setting, each.seed, place)
        with progress.part(str(each)):
            row = ground.row(each, results)
        results.add(row)
        yield row


@dataclass(frozen=True)
class Ground:
    """Data with noise planted and the network that was trained on them, loaded when first asked for."""

    setting: Setting
    seed: int
    place: Place

    @cached_property
    def cell(self) -> Cell:
        """What `unchaff repair` would run."""
        return self.setting.cell(self.seed, self.place)

    @cached_property
    def streams(self) -> Streams:
        """Of the seed."""
        return Streams(self.seed)

    @cached_property
    def material(self) -> Material:
        """The data."""
        material, classes = self._everything, self.setting.classes
        material = backbones.of_classes(material, classes) if classes else material
        self.setting.check(self.seed, material)
        return material

    @cached_property
    def _everything(self) -> Material:
        """The data, all classes of them."""
        return gather(self.cell, streams=self.streams)

    @cached_property
    def trained(self) -> Trained:
        """The finished network."""
        cell, samples, how = self.cell, self.material.observed.train, self.setting.backbone
        folder, streams = self.place.networks, self.streams
        if how is None:
            return finished(cell, samples, folder, streams=streams)

        def train() -> Trained:
            return backbones.begun(how, cell, self._everything.observed.train, samples, streams=streams)

        told = (how, hashes(self._everything.observed.train) if how.classes else {})
        seen = samples if how.classes else samples.relabel(torch.zeros_like(samples.labels))
        beginning = Beginning(train, told, seen)
        return finished(cell, samples, folder, streams=streams, beginning=beginning)

    @cached_property
    def full(self) -> Cost:
        """What one full training takes."""
        return full_cost(self.trained, self.material.observed.train)

    def row(self, todo: Todo, results: Results) -> Row:
        """Run one contender or detector."""
        return self._detected(todo) if todo.is_detector else self._repaired(todo, results)

    def _repaired(self, todo: Todo, results: Results) -> Row:
        def kept_share(name: str) -> float | None:
            rival = Todo(setting=todo.setting, name=name, seed=todo.seed)
            known = results.rows.get(rival.key)
            if known is None:
                raise ConfigError(f"{todo} needs {rival} first, to know how many to draw. Run it too.")
            return known.kept_share

        try:
            method = contenders.contender(todo.name, truth=self.material.truth, kept_share=kept_share)
            outcome = method(self.trained, self.material.seen, streams=self.streams)
        except (NeedsError, ModelError, TrainingError) as error:  # the others can still be measured
            return self._row(todo, Cost(), None, applies=False, notes=(str(error),))
        measured = score(outcome.model, self.material.test)
        scores = {name: value for name, value in asdict(measured).items() if name != "per_class"}
        row = self._row(
            todo,
            outcome.cost,
            outcome.partition,
            scores=scores,
            notes=outcome.notes,
            size=self._size(outcome.model),
        )
        stands = self.trained.pretrained and self.trained.initial is None  # it can only begin where it is
        start = 0.0 if getattr(method, "anew", False) and not stands else 1.0
        if self.setting.backbone is not None:  # all that runs there begins with it
            start = self.trained.cost.flops / self.full.flops
        return replace(
            row,
            share={**row.share, "with_start": (row.share["flops"] or 0.0) + start},
            more={**row.more, **self._probed(outcome.model)},
        )

    def _probed(self, model: nn.Module) -> dict[str, float]:
        by = Probing(
            test=self.material.test,
            prepare=self.material.loaded.prepare,
            start=self.trained.model,
            streams=self.streams,
        )
        names = [name for name in self.setting.probes if applies(name, model)]
        found = {name: probed(name, model, by) for name in names}
        return {**found, **tagged(names, model, by)}

    def _size(self, model: nn.Module) -> dict[str, float]:
        example = next(self.material.observed.train.batches(2)).inputs
        before, after = (asdict(Size.of(each, example)) for each in (self.trained.model, model))
        return {name: after[name] / before[name] for name in before}

    def _suggested(self, split: Partition | None, about: Truth | None) -> dict[str, float]:
        if split is None or about is None:
            return {}
        train = self.material.observed.train
        found = suggest(split, train.select(split.ids).labels, about, train.num_classes)
        return {} if found is None else asdict(found)

    def _detected(self, todo: Todo) -> Row:
        found = detector(todo.name)
        evidence, split = found(self.trained, self.material.observed, streams=self.streams)
        return self._row(todo, evidence.cost, split, ranks_only=found.rule is None)

    def _row(
        self,
        todo: Todo,
        cost: Cost,
        split: Partition | None,
        *,
        applies: bool = True,
        ranks_only: bool = False,
        **rest: object,
    ) -> Row:
        truth = self.material.truth
        about = None if truth is None or split is None else truth.select(split.ids)
        detection = None if about is None or split is None else detect(split, about)
        decided = split is not None and not ranks_only
        return Row(
            key=todo.key,
            setting=todo.setting.name,
            name=todo.name,
            kind="detector" if todo.is_detector else "method",
            seed=todo.seed,
            applies=applies,
            detection=_numbers(detection, ranks_only=ranks_only),
            more=self._suggested(split, about),
            calibration_error=calibrate(split, about).error if decided and split and about else None,
            noise_rate=split.noise_rate if decided and split else None,
            kept_share=split.kept_share if decided and split else None,
            kept=packed(split.kept.numpy()) if decided and split else None,
            seconds=cost.seconds,
            flops=cost.flops,
            share=share(cost, self.full),
            share_is_estimated=self.trained.recipe is None,
            made=made(self.material.observed.train.device),
            **rest,  # type: ignore[arg-type]
        )


def _numbers(detection: Detection | None, *, ranks_only: bool) -> dict[str, object] | None:
    if detection is None:
        return None
    numbers = asdict(detection)
    return {name: numbers[name] for name in RANKING} if ranks_only else numbers
