"""RLAP as its code does it, faults included, so that the published behaviour can be measured."""

import time
from dataclasses import dataclass, field, replace
from typing import ClassVar

import torch
from torch import Tensor, nn

from unchaff.attribute.published import Published as Attribution
from unchaff.attribute.published import target_layer
from unchaff.copies import copied
from unchaff.errors import ConfigError
from unchaff.filled import joined
from unchaff.interfaces import Attributor, Partitioner
from unchaff.nets.flops import forward
from unchaff.nets.hooks import in_eval_mode, read_outputs
from unchaff.nets.looking import looked_at
from unchaff.nets.taps import find_layers
from unchaff.partition.clusters import Clusters
from unchaff.records import Cost, Observed, Outcome, Partition, PrunedUnit, PrunePlan, Trained
from unchaff.samples import Batch, Samples
from unchaff.streams import Streams
from unchaff.train.initial import steps_of
from unchaff.train.loop import fit
from unchaff.train.optimizers import Adam
from unchaff.train.phases import Phase


@dataclass(frozen=True, kw_only=True)
class Published:
    """RLAP, literally: cluster 1 is kept, only weight rows are zeroed, no mask holds them at zero.

    The regression target of a sample is looked up by its class label instead of its
    position. Fine-tuning runs for half the epochs of the recipe with Adam 1e-3 at a constant rate. Its
    outcome is flagged in `notes`.

    Source: arXiv 2506.11615, GitHub zzplm/RLAP.
    """

    attribute: Attributor = field(default_factory=Attribution)
    partition: Partitioner = field(default_factory=Clusters)
    share: float = 40 / 256  # of the units of the last hidden layer
    epochs: float = 0.5  # of the recipe's
    last: bool = False  # L-FT: only the last hidden layer and the output learn
    cites: ClassVar[tuple[str, ...]] = ("jin2025machine",)

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 1:
            raise ConfigError(f"share must be in [0, 1], got {self.share}. For 15.6 % pass 0.156.")

    def __call__(self, trained: Trained, observed: Observed, *, streams: Streams) -> Outcome:
        """Repair as published."""
        evidence = self.attribute(trained, observed, streams=streams)
        started = time.perf_counter()
        split = self.partition(evidence)
        parted = Cost.since(started, "split")
        layer = target_layer(trained, observed.train).name
        plan = self._plan(layer, trained.model, observed.train, split)
        start = zero_rows(trained.model, plan)
        kept = observed.train.select(split.kept_ids)
        recipe = replace(trained.recipe_for(len(observed.train)), batch_size=64)
        phase = Phase(
            steps=max(1, round(self.epochs * steps_of(recipe, len(kept)))),
            lr=lambda _step: 1e-3,
            batch_size=recipe.batch_size,
            augment=False,
            optimizer=Adam(weight_decay=1e-5 if self.last else 0.0, decoupled=False),
            trains=_from_layer(trained, observed.train, layer) if self.last else None,
            task=trained.task,
        )
        fitted = fit(start, kept, phase, streams=streams.fork("published"))
        return Outcome(
            model=fitted.model.eval(),
            partition=split,
            plan=plan,
            cost=evidence.cost + parted + plan.cost + fitted.cost,
            notes=("As published, faults included: see docs/methods.md before comparing.",),
        )

    def _plan(self, layer: str, model: nn.Module, samples: Samples, split: Partition) -> PrunePlan:
        started, seen = time.perf_counter(), len(samples)

        def read_layer(batch: Batch) -> Tensor:
            with read_outputs(model, [layer]) as read:
                model(batch.inputs)
            return read[layer].double().cpu()

        with in_eval_mode(model), torch.no_grad():
            readings = joined(looked_at(samples, read_layer, size=256, name="prune"), seen)
        rejected = (~split.kept).double()
        target = rejected[samples.labels.cpu().clamp(max=len(rejected) - 1)]  # by class label: the fault
        weights = least_squares(readings, target)
        chosen = weights.abs().argsort(descending=True, stable=True)[: int(self.share * len(weights))]
        units = tuple(PrunedUnit(layer, unit, float(weights[unit])) for unit in chosen.tolist())
        cost = Cost(samples_seen=seen, flops=seen * forward(model, next(samples.batches(2)).inputs))
        cost = cost.as_stage("prune") + Cost.since(started, "prune")
        return PrunePlan(units, "Largest coefficients of the published regression.", cost)


def least_squares(features: Tensor, target: Tensor) -> Tensor:
    """Return the coefficients of plain least squares on raw features, without the intercept."""
    design = torch.cat([features, torch.ones(len(features), 1, dtype=features.dtype)], dim=1)
    return torch.linalg.lstsq(design, target[:, None], driver="gelsd").solution[:-1, 0]


def zero_rows(model: nn.Module, plan: PrunePlan) -> nn.Module:
    """Zero the weight rows of the planned units in a copy, and nothing else."""
    start = copied(model)
    with torch.no_grad():
        for name, units in plan.by_layer().items():
            start.get_parameter(f"{name}.weight")[units] = 0
    return start


def _from_layer(trained: Trained, samples: Samples, layer: str) -> tuple[str, ...]:
    names = [each.name for each in find_layers(trained.model, next(samples.batches(2)).inputs)]
    return tuple(names[names.index(layer) :])
