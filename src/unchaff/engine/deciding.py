"""What is made of the shards: a model of the noise, fitted to a part, and the quality of every sample."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from jaxtyping import Int
from torch import Tensor

from unchaff.attribute.readout import OPINION
from unchaff.engine.passes import Look
from unchaff.engine.store import Store
from unchaff.engine.units import Unit
from unchaff.partition.believed import judge, numbers
from unchaff.partition.keep import needed
from unchaff.partition.latent import Model
from unchaff.partition.transition import Tally, Transition
from unchaff.runs.quality import described
from unchaff.shards import tensor_of
from unchaff.whole import parquet

BINS = 1_000  # of the quality, in which the best of each class are counted, where classes are few
COUNTS = 1_000_000  # of all classes together
Shard = tuple[Unit, pa.Table | None]  # None: it is not as it was written


@dataclass(frozen=True)
class Judged:
    """What the model says of the samples of a shard."""

    labels: Int[Tensor, " n"]
    quality: Tensor
    suggested: Int[Tensor, " n"]


@dataclass(frozen=True)
class Shards:
    """Reads shards of evidence; those that are not as they were written are None."""

    store: Store
    look: Look

    def __call__(self, unit: Unit) -> Shard:
        """Return the table of a unit."""
        return unit, self.store.sealed(self.look.shard(unit))


def opinions_in(table: pa.Table) -> list[Tensor]:
    """Return the scores per class, one tensor for each that has an opinion."""
    names = [name for name in table.column_names if name.startswith(OPINION)]
    return [tensor_of(table.column(name)) for name in names]


@dataclass(frozen=True)
class Draw:
    """Takes from a shard the samples whose numbers are lowest: the model is fitted to them."""

    below: float

    def __call__(self, piece: Shard) -> pa.Table | None:
        """Return them with their numbers; None where the shard is broken."""
        table = piece[1]
        if table is None or not len(table):
            return table
        drawn = numbers(np.asarray(table.column("id").to_numpy()))
        table = table.append_column("number", pa.array(drawn))
        plain = ("id", "label", "number")
        wanted = [name for name in table.column_names if name in plain or name.startswith(OPINION)]
        return table.select(wanted).filter(pc.less(table.column("number"), self.below))


@dataclass(frozen=True)
class Counted:
    """Sums over samples on which the decision rests."""

    tally: Tally
    given: Int[Tensor, " classes"]
    kept: Int[Tensor, " classes"]
    bins: Int[Tensor, "classes bins"]  # how often each quality occurs in each class

    def __add__(self, other: "Counted") -> "Counted":
        return Counted(
            self.tally + other.tally, self.given + other.given, self.kept + other.kept, self.bins + other.bins
        )


@dataclass(frozen=True)
class Rule:
    """The model of the noise, and the rule that splits by it."""

    rule: Transition
    model: Model
    classes: int

    def judged(self, table: pa.Table) -> Judged:
        """Return what the model says of a shard."""
        labels = tensor_of(table.column("label"))
        quality, suggested = judge(self.model, opinions_in(table), labels)
        return Judged(labels, quality, suggested)


@dataclass(frozen=True)
class Count:
    """Counts the samples of a shard."""

    by: Rule

    def __call__(self, piece: Shard) -> Counted | None:
        """Return the counts; None where the shard is broken."""
        table, classes = piece[1], self.by.classes
        if table is None:
            return None
        nothing = torch.zeros(classes, dtype=torch.int64)
        count = _number_of_bins(classes)
        bins = torch.zeros(classes, count, dtype=torch.int64)
        if not len(table):
            return Counted(Tally(), nothing, nothing, bins)
        found = self.by.judged(table)
        given = torch.bincount(found.labels, minlength=classes)
        above = found.quality > self.by.rule.threshold
        places = found.labels * count + _bin(found.quality, count)
        return Counted(
            self.by.rule.tally(found.quality),
            given,
            torch.bincount(found.labels[above], minlength=classes),
            torch.bincount(places, minlength=classes * count).view(classes, count),
        )


def _number_of_bins(classes: int) -> int:
    return max(20, min(BINS, COUNTS // classes))


def _bin(quality: Tensor, count: int) -> Int[Tensor, " n"]:
    return (quality.double() * count).long().clamp(0, count - 1)


@dataclass(frozen=True)
class Decision:
    """How every sample is decided, whichever shard it is in."""

    by: Rule | None  # None: the layers tell no classes apart, and nothing is judged
    keeps_all: bool  # no evidence of noise
    factor: float  # of the doubt
    lowest: Int[Tensor, " classes"]  # bin of the quality from which a class is kept all the same
    class_names: tuple[str, ...]

    @classmethod
    def of(cls, by: Rule, counted: Counted, class_names: tuple[str, ...]) -> "Decision":
        """Decide by the sums."""
        tally, keeps_all = counted.tally, not by.rule.is_noisy(counted.tally)
        rate = tally.wrong / tally.size
        factor = min(1.0, rate / max(1e-12, tally.rate)) if keeps_all else 1.0
        bins = counted.bins.shape[1]
        lowest = torch.full((by.classes,), bins)
        for label in range(by.classes):
            need = needed(int(counted.given[label]))
            if int(counted.kept[label]) < need:
                best_first = counted.bins[label].flip(0).cumsum(0)
                lowest[label] = bins - 1 - int((best_first >= need).nonzero()[0])
        return cls(by, keeps_all, factor, lowest, class_names)

    @classmethod
    def nothing(cls, class_names: tuple[str, ...]) -> "Decision":
        """Keep everything, for nothing is known."""
        lowest = torch.zeros(len(class_names), dtype=torch.int64)
        return cls(by=None, keeps_all=True, factor=0.0, lowest=lowest, class_names=class_names)


@dataclass(frozen=True)
class Write:
    """Writes the quality of the samples of a shard, and whether they are kept."""

    decision: Decision
    store: Store
    look: Look

    def __call__(self, piece: Shard) -> tuple[int, int, float] | None:
        """Return the number of samples, how many are kept, and their doubt; None: the shard is broken."""
        unit, table = piece
        if table is None:
            return None
        if not len(table):
            return 0, 0, 0.0
        columns, decision = {"id": table.column("id"), "label": table.column("label")}, self.decision
        suggested = table.column("suggested_label")
        if decision.by is None:
            quality, kept = torch.ones(len(table)), torch.ones(len(table), dtype=torch.bool)
        else:
            found = decision.by.judged(table)
            quality, kept = found.quality, found.quality > decision.by.rule.threshold
            kept = kept | (
                _bin(quality, _number_of_bins(decision.by.classes)) >= decision.lowest[found.labels]
            )
            if not decision.keeps_all:
                suggested = pa.array(found.suggested.numpy())
        if decision.keeps_all:
            kept, quality = torch.ones_like(kept), 1 - decision.factor * (1 - quality)
        columns |= {"suggested_label": suggested, "quality": pa.array(quality.float().numpy())}
        columns |= {"kept": pa.array(kept.numpy())}
        rest = [name for name in table.column_names if name not in columns and not name.startswith(OPINION)]
        columns |= {name: table.column(name) for name in rest}
        made = pa.table(columns).replace_schema_metadata(described(columns, decision.class_names))
        self.store.put(self.look.quality(unit), parquet(made))
        return len(table), int(kept.sum()), float((1 - quality.double()).sum())
