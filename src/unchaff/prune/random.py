"""Silence units drawn at random: the control of every other rule."""

import time
from dataclasses import dataclass

import torch

from unchaff.prune.activations import NOTHING_REJECTED, check, last_layers, worst_units
from unchaff.records import Cost, Observed, Partition, PrunePlan, Trained
from unchaff.streams import Streams


@dataclass(frozen=True, kw_only=True)
class Random:
    """A full `share` of the units of the layers that `Sensitivity` looks at, chosen without looking.

    `Sensitivity` silences as many at most: it leaves units that speak for kept samples.

    Source: the usual control of pruning; arXiv 2506.11615 shows none.
    """

    share: float = 0.05
    layers: float = 0.34

    def __post_init__(self) -> None:
        check(self.share, self.layers)

    def __call__(
        self, trained: Trained, observed: Observed, partition: Partition, *, streams: Streams
    ) -> PrunePlan:
        """Plan; empty where nothing was rejected, as that of `Sensitivity`."""
        if bool(partition.kept.all()):
            return NOTHING_REJECTED
        started, generator = time.perf_counter(), streams("prune/random")
        scores = {
            layer.name: torch.rand(layer.units, generator=generator)
            for layer in last_layers(trained, observed.train, self.layers)
        }
        return worst_units(scores, self.share, "Drawn at random.", Cost.since(started, "prune"))
