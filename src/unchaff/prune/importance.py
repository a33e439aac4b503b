"""Silence units that matter to rejected samples more than to kept ones."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import torch
from torch import Tensor

from unchaff.errors import ConfigError
from unchaff.prune.activations import NOTHING_REJECTED, check, last_layers, observe_units, worst_units
from unchaff.records import Cost, Observed, Partition, PrunePlan, Trained
from unchaff.streams import Streams

MEASURES: Mapping[str, Callable[[Tensor], Tensor]] = MappingProxyType(
    {
        "mean": lambda active: active.abs().mean(0),
        "frequency": lambda active: (active > 0).float().mean(0),
        "rms": lambda active: active.square().mean(0).sqrt(),
        "deviation": lambda active: active.std(0, correction=0),
    }
)


@dataclass(frozen=True, kw_only=True)
class Importance:
    """Importance on the rejected samples over importance on the kept ones.

    Source: the importance baseline of arXiv 2506.11615 (Foster et al., arXiv 2308.07707, for
    the idea), with the roles of the two sets put right: the published code swaps them. Activations are
    read behind the normalisation and the ReLU.
    """

    share: float = 0.05
    layers: float = 0.34
    measure: str = "deviation"  # one of MEASURES
    limit: int = 4000  # samples to look at, of each part

    def __post_init__(self) -> None:
        check(self.share, self.layers)
        if self.measure not in MEASURES:
            raise ConfigError(f"measure must be one of {', '.join(MEASURES)}, got {self.measure!r}.")

    def __call__(
        self, trained: Trained, observed: Observed, partition: Partition, *, streams: Streams
    ) -> PrunePlan:
        """Plan; empty where nothing was rejected."""
        kept = partition.kept.numpy()
        if kept.all():
            return NOTHING_REJECTED
        started, draw = time.perf_counter(), streams.per_id("prune", partition.ids)
        layers = last_layers(trained, observed.train, self.layers)
        found = []
        for part in (~kept, kept):
            ids = partition.ids[part][draw[part].argsort(kind="stable")[: self.limit]]
            found.append(observe_units(trained, observed.train.select(ids), layers))
        measure = MEASURES[self.measure]
        bad, good = (each.layers for each in found)
        scores = {name: measure(bad[name]) / (measure(good[name]) + 1e-8) for name in bad}
        finite = {name: torch.nan_to_num(score, posinf=0.0) for name, score in scores.items()}
        cost = found[0].cost + found[1].cost + Cost.since(started, "prune")
        return worst_units(finite, self.share, f"{self.measure} on rejected over kept samples.", cost)
