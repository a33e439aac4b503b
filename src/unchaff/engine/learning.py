"""Learning from the kept samples, each worker from those of its own units."""

import copy
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow.parquet as pq
import torch
from torch import Tensor, nn

from unchaff import progress
from unchaff.copies import copied
from unchaff.data import sources
from unchaff.engine.checkpoints import Checkpoints
from unchaff.engine.passes import Look
from unchaff.engine.rows import Rows
from unchaff.engine.stage import Place
from unchaff.engine.store import Store
from unchaff.engine.units import Unit
from unchaff.errors import DataError, RunFolderError
from unchaff.journal import kept_by
from unchaff.methods.finetune import Lesson, Schedule
from unchaff.records import Cost
from unchaff.samples import Samples, canonical
from unchaff.streams import Streams
from unchaff.train import together

LEARNER, AVERAGED = "learner.", "averaged."  # begin the names of weights


@dataclass(frozen=True)
class Kept:
    """The samples that a look has kept."""

    rows: Rows
    units: Sequence[Unit]
    store: Store
    look: Look

    def of(self, place: Place) -> Samples:
        """Return those of the units of one worker, in memory where it computes.

        Raises:
            DataError: none is left for it.
            RunFolderError: what the look wrote is not there.
        """
        with progress.shown_by(progress.Silent()):
            found = [self._kept(unit) for unit in self.units[place.rank :: place.count]]
        parts = [part for part in found if part is not None and len(part)]
        if not together.all_are(sum(map(len, parts)) > 1):
            raise DataError(
                f"Of {place.count} trainers, one has no samples to learn from. Give fewer --trainers."
            )
        return joined(parts).to(place.device)

    def _kept(self, unit: Unit) -> Samples | None:
        name = self.look.quality(unit)
        content = self.store.read(name)
        samples = self.rows.read(unit).samples
        if samples is None:
            return None
        if content is None:
            raise RunFolderError(
                f"{self.store.path(name)} is not there any more. Go on with --resume, which makes it anew."
            )
        table = pq.read_table(io.BytesIO(content), columns=["id", "kept"])
        ids = np.asarray(table.column("id").to_numpy())
        return samples.select(ids[table.column("kept").to_numpy(zero_copy_only=False)])


def joined(parts: Sequence[Samples]) -> Samples:
    """Return samples that were read apart as one set, in memory."""
    first, ids = parts[0], np.concatenate([part.ids for part in parts])
    whole = canonical(
        ids,
        torch.cat([part.labels.cpu() for part in parts]),
        class_names=first.class_names,
        kind=first.kind,
        source=sources.joined([part.source for part in parts]),  # type: ignore[misc]  # ours are of these
    )
    tags = first.tags
    if tags is not None:
        numbers = torch.cat([_numbers(part) for part in parts])
        tags = replace(tags, numbers=numbers).at(np.argsort(ids, kind="stable"))
    return replace(whole, augmentation=first.augmentation, columns=first.columns, tags=tags)


def _numbers(samples: Samples) -> Tensor:
    if samples.tags is None:
        raise DataError("Some tables have tags of words and others have none. Give tables of one layout.")
    return samples.tags.numbers


@dataclass(frozen=True)
class Part:
    """One part of a schedule, as every worker runs it."""

    kept: Kept
    schedule: Schedule
    weights: str  # name in the store of those it begins with
    into: str  # and of those it ends with
    folder: str  # in the store, of checkpoints
    streams: Streams

    def __call__(self, place: Place) -> None:
        """Learn; the first worker writes what all have learned.

        Raises:
            RunFolderError: there are no weights to begin with.
        """
        before = learned(self.kept.store, self.weights)
        if before is None:
            raise RunFolderError(
                f"{self.kept.store.path(self.weights)} is not as it was written. Go on with --resume, which "
                "learns it anew."
            )
        schedule = copy.copy(self.schedule)  # which counts the parts it has run
        model = before.loaded(schedule.trained.model, LEARNER)
        samples = self.kept.of(place)
        streams = self.streams if place.rank == 0 else self.streams.fork(f"worker {place.rank}")
        with kept_by(Checkpoints(self.kept.store, self.folder, place)):
            fitted = schedule.run(model.to(place.device), Lesson(samples), streams=streams)
        if place.rank == 0:
            state = {**named(LEARNER, fitted.model), **named(AVERAGED, fitted.averaged)}
            flops = fitted.cost.flops * place.count
            self.kept.store.put_state(self.into, state, {"flops": flops})


def named(prefix: str, model: nn.Module) -> dict[str, Tensor]:
    """Return weights under names that begin so."""
    return {f"{prefix}{name}": each for name, each in model.state_dict().items()}


@dataclass(frozen=True)
class Learned:
    """What a part has left."""

    weights: dict[str, Tensor]
    cost: Cost

    def loaded(self, model: nn.Module, prefix: str) -> nn.Module:
        """Return a copy of a network with the weights whose names begin so."""
        weights = {
            key.removeprefix(prefix): each for key, each in self.weights.items() if key.startswith(prefix)
        }
        model = copied(model)
        model.load_state_dict(weights)
        return model


def learned(store: Store, name: str) -> Learned | None:
    """Return what a part has left; None where it is not done."""
    found = store.state(name)
    if found is None:
        return None
    return Learned(found[0], Cost(flops=found[1]["flops"]).as_stage("fine-tune"))
