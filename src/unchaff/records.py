"""The frozen records that flow between stages. All carry ids; higher is always better."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray
from torch import Tensor, nn

from unchaff.copies import copied
from unchaff.samples import Ids, Samples
from unchaff.shards import Shelved
from unchaff.tasks import CLASSIFICATION, Task

Wide = Float[Tensor, "n _"] | Shelved  # several numbers per sample: in memory, or left in files


@dataclass(frozen=True)
class Cost:
    """What work took: wall seconds, samples seen by a network, floating point operations."""

    seconds: float = 0.0
    samples_seen: int = 0
    flops: float = 0.0
    stages: Mapping[str, "Cost"] = field(default_factory=dict)  # in the order they ran; they sum to the whole

    def __add__(self, other: "Cost") -> "Cost":
        stages = dict(self.stages)
        for name, cost in other.stages.items():
            stages[name] = stages[name] + cost if name in stages else cost
        return Cost(
            self.seconds + other.seconds,
            self.samples_seen + other.samples_seen,
            self.flops + other.flops,
            stages,
        )

    @classmethod
    def since(cls, started: float, stage: str) -> "Cost":
        """Return the wall seconds since `started`, a `time.perf_counter()`, filed under one stage name."""
        return cls(seconds=time.perf_counter() - started).as_stage(stage)

    def as_stage(self, name: str) -> "Cost":
        """Return this cost filed under one stage name."""
        return replace(self, stages={name: replace(self, stages={})})


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a network is trained from scratch; the yardstick of every cost share."""

    epochs: int = 24
    batch_size: int = 128
    lr: float = 0.1  # peak
    momentum: float = 0.9
    weight_decay: float = 5e-4
    warmup: float = 0.25  # share of the steps in which the rate rises
    augment: bool = False
    adam: bool = False  # AdamW instead of SGD

    @classmethod
    def usual(cls, model: nn.Module, size: int, *, pretrained: bool = False) -> "Recipe":
        """Return how such a network is usually trained on so many samples; small data get small batches.

        SGD suits networks with batch normalisation, AdamW all others. A pretrained one is fine-tuned for
        three epochs at a low rate.
        """
        if pretrained:
            return cls(epochs=3, batch_size=32, lr=5e-5, weight_decay=0.01, warmup=0.1, adam=True)
        batch_size = 128 if size >= 10_000 else 32
        if any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in model.modules()):
            return cls(batch_size=batch_size)
        return cls(batch_size=batch_size, lr=1e-3, weight_decay=0.01, adam=True)


@dataclass(frozen=True, kw_only=True)
class Observed:
    """All that a method may look at."""

    train: Samples
    holdout: Samples | None = None  # noisy validation: its labels are as doubtful as the training labels
    reference: Samples | None = None  # few, known right


@dataclass(frozen=True, kw_only=True)
class Truth:
    """What planted noise changed. Held by noise, evaluate and bench only, never by a method."""

    ids: Ids
    true_label: Int[Tensor, " n"]
    is_noisy: Bool[Tensor, " n"]

    def select(self, ids: Ids) -> "Truth":
        """Return the truth about these ids, in canonical order."""
        rows = np.searchsorted(self.ids, np.sort(ids))
        return Truth(ids=self.ids[rows], true_label=self.true_label[rows], is_noisy=self.is_noisy[rows])


@dataclass(frozen=True, kw_only=True)
class Decisions:
    """What a person decided about some samples: certain for the repair, and never for the evaluation."""

    ids: Ids = field(repr=False)  # sorted
    kept: NDArray[np.bool_] = field(repr=False)  # False: dropped
    labels: NDArray[np.int64] = field(repr=False)  # from now on
    given: NDArray[np.int64] = field(repr=False)  # when it was decided
    quality: NDArray[np.float64] = field(repr=False)  # that the run gave the given label; NaN where none did

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def is_relabelled(self) -> NDArray[np.bool_]:
        """Which samples got another label."""
        return self.kept & (self.labels != self.given)

    @property
    def is_right(self) -> NDArray[np.bool_]:
        """Which given labels were right."""
        return self.kept & (self.labels == self.given)

    def about(self, ids: Ids) -> "Decisions":
        """Return those about some samples."""
        here = np.isin(self.ids, ids)
        return Decisions(**{name: column[here] for name, column in vars(self).items()})

    def applied(self, samples: Samples) -> Samples:
        """Return all the samples, relabelled ones with their new label."""
        here = self.about(samples.ids)
        labels = samples.labels.clone()
        rows = torch.from_numpy(np.searchsorted(samples.ids, here.ids)[here.kept])
        labels[rows.to(labels.device)] = torch.from_numpy(here.labels[here.kept]).to(labels)
        return samples.relabel(labels)


@dataclass(frozen=True, kw_only=True)
class TrainingRecord:
    """What a `Recorder` saw: the margin of the given label after each epoch."""

    ids: Ids
    margins: Float[Tensor, "epochs n"]  # own logit minus the best other; NaN where not seen


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A finished network and what is known of how it came to be."""

    model: nn.Module
    task: Task = CLASSIFICATION
    recipe: Recipe | None = None  # None: cost shares are estimated from the default recipe
    initial: Mapping[str, Tensor] | None = None  # weights before training
    record: TrainingRecord | None = None
    cost: Cost = field(default_factory=Cost)  # of the training, where it was done here
    pretrained: bool = False  # the start was a pretrained network: it must not be shrunk away
    taps: tuple[str, ...] = ()  # layers to read, by name; none: found out

    def recipe_for(self, size: int) -> Recipe:
        """Return how it was trained, or the usual recipe for such a network and so many samples."""
        return self.recipe or Recipe.usual(self.model, size, pretrained=self.pretrained)

    def copied_to(self, device: torch.device) -> "Trained":
        """Return the same with a copy of the network, and of its first weights, on a device."""
        initial = self.initial and {name: each.to(device) for name, each in self.initial.items()}
        return replace(self, model=copied(self.model).to(device), initial=initial)


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """One or more numbers per sample; higher is more trustworthy."""

    ids: Ids
    labels: Int[Tensor, " n"]  # given
    total: Float[Tensor, " n"]
    columns: Mapping[str, Float[Tensor, " n"]] = field(default_factory=dict)
    opinions: Mapping[str, Wide] = field(default_factory=dict)  # (n, classes): scores of each class
    suggested: Int[Tensor, " n"] | None = None  # the label the evidence speaks for
    confidence: Float[Tensor, " n"] | None = None  # how clearly it does: best score minus the second
    disagreement: float | None = (
        None  # share of wrong given labels among the clearer half; None: not measured
    )
    units: Mapping[str, Wide] = field(default_factory=dict)  # (n, units), per layer, if asked for
    cost: Cost = field(default_factory=Cost)


@dataclass(frozen=True)
class Hump:
    """One Gaussian of a mixture."""

    share: float  # of the samples
    mean: float
    deviation: float


@dataclass(frozen=True)
class Fitted:
    """A mixture that a rule fitted to its evidence, and that evidence in bins, so that both can be drawn."""

    edges: tuple[float, ...]  # of the bins, one more than there are counts
    counts: tuple[int, ...]
    humps: tuple[Hump, ...]


@dataclass(frozen=True, kw_only=True)
class Partition:
    """The decided split."""

    ids: Ids
    quality: Float[Tensor, " n"]  # in [0, 1]: probability that the sample is fit to learn from
    kept: Bool[Tensor, " n"]
    suggested: Int[Tensor, " n"] | None = None
    evidence: Mapping[str, Float[Tensor, " n"]] = field(default_factory=dict)  # the columns it was made from
    abstained: bool = False  # no evidence of noise: everything is kept
    reason: str = ""  # one sentence: why it abstained, or how it split
    threshold: float | None = None  # quality above which the rule keeps; None: it draws no such line
    fitted: Fitted | None = None  # the mixture it rests on; None: it rests on none

    def __repr__(self) -> str:
        found = f", {self.kept_share:.1%} kept, noise rate {self.noise_rate:.1%}" if len(self.ids) else ""
        return f"{type(self).__name__}({len(self.ids)} samples{found})"

    @property
    def kept_ids(self) -> Ids:
        """Ids of the samples to learn from."""
        return self.ids[self.kept.numpy()]

    @property
    def kept_share(self) -> float:
        """Share of the samples that is kept."""
        return int(self.kept.sum()) / len(self.ids)

    @property
    def noise_rate(self) -> float:
        """Estimated share of samples that are not fit to learn from."""
        return float(1 - self.quality.double().mean())

    @property
    def table(self) -> dict[str, NDArray[np.generic]]:
        """One array per column, one row per sample, sorted by id.

        Columns: id, quality (in [0, 1], higher is better), kept, suggested_label if there is one, and
        each piece of evidence. Fits `pandas.DataFrame` and `pyarrow.table` as it is.
        """
        columns = {"id": self.ids, "quality": self.quality.numpy(), "kept": self.kept.numpy()}
        if self.suggested is not None:
            columns["suggested_label"] = self.suggested.numpy()
        return columns | {name: column.numpy() for name, column in self.evidence.items()}


@dataclass(frozen=True)
class PrunedUnit:
    """One output channel of a convolution, or output feature of a linear layer, to be silenced."""

    layer: str
    unit: int
    sensitivity: float  # how strongly its activation tells rejected from kept samples, signed


@dataclass(frozen=True)
class PrunePlan:
    """Which units to silence, and why."""

    units: tuple[PrunedUnit, ...] = ()
    reason: str = ""
    cost: Cost = field(default_factory=Cost)

    def by_layer(self) -> dict[str, list[int]]:
        """Return the units of each layer, in order."""
        layers: dict[str, list[int]] = {}
        for unit in self.units:
            layers.setdefault(unit.layer, []).append(unit.unit)
        return {layer: sorted(units) for layer, units in layers.items()}


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a method returns."""

    model: nn.Module
    partition: Partition | None = None
    plan: PrunePlan | None = None
    cost: Cost = field(default_factory=Cost)
    preprocess: nn.Module | None = None  # the filter that `model` applies to its inputs before it answers
    modifications: tuple[str, ...] = ()  # ordered: what to redo to the plain network before loading weights
    notes: tuple[str, ...] = ()
    first: Partition | None = None  # the split after the first scoring, where there were several
    transition: Float[Tensor, "classes classes"] | None = None  # P(given | true), rows true, where learned

    def __repr__(self) -> str:
        judged = "no sample judged" if self.partition is None else repr(self.partition)
        units = f", {len(self.plan.units)} units pruned" if self.plan is not None and self.plan.units else ""
        model = type(self.model).__name__
        return f"{type(self).__name__}({model}, {judged}{units}, {self.cost.seconds:.1f} s)"

    @property
    def quality(self) -> dict[str, NDArray[np.generic]] | None:
        """The `table` of the split; None where nothing was judged."""
        return None if self.partition is None else self.partition.table
