"""Silence the units whose activity tells rejected samples from kept ones."""

import time
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from unchaff.prune.activations import NOTHING_REJECTED, check, last_layers, observe_units, worst_units
from unchaff.records import Cost, Observed, Partition, PrunePlan, Trained
from unchaff.streams import Streams


@dataclass(frozen=True, kw_only=True)
class Sensitivity:
    """Ridge regression of (1 - quality) on the standardised activations of each layer's units.

    Only units that speak for rejected samples (positive coefficient) are silenced: a unit that
    speaks for kept ones is what the network should keep.

    Source: arXiv 2506.11615, which uses plain least squares on raw activations and ranks by absolute
    value. We standardise, so that scale does not rank, add a ridge, and keep the sign.
    """

    share: float = 0.05  # of the units of each layer
    layers: float = 0.34  # last part of the prunable layers
    penalty: float = 0.1
    limit: int = 4000  # samples to look at

    def __post_init__(self) -> None:
        check(self.share, self.layers)

    def __call__(
        self, trained: Trained, observed: Observed, partition: Partition, *, streams: Streams
    ) -> PrunePlan:
        """Plan; empty where nothing was rejected."""
        if bool(partition.kept.all()) or self.share == 0:
            return NOTHING_REJECTED
        started, rows = time.perf_counter(), streams.subset("prune", partition.ids, self.limit)
        samples = observed.train.at(rows)
        units = observe_units(trained, samples, last_layers(trained, samples, self.layers))
        doubt = 1 - partition.quality[torch.from_numpy(rows)]
        scores = {
            name: sensitivities(active, doubt, self.penalty).clamp_min(0)
            for name, active in units.layers.items()
        }
        reason = f"Activity predicts rejection; {self.share:.0%} a layer."
        plan = worst_units(scores, self.share, reason, units.cost + Cost.since(started, "prune"))
        return replace(plan, units=tuple(unit for unit in plan.units if unit.sensitivity > 0))


def sensitivities(active: Tensor, doubt: Tensor, penalty: float) -> Tensor:
    """Return the ridge coefficient of each unit on standardised activations; 0 for silent units."""
    wide = active.double()
    deviation = wide.std(0, correction=0)
    live = deviation > 1e-9
    z = torch.where(live, (wide - wide.mean(0)) / deviation.clamp_min(1e-9), 0.0)
    target = doubt.double() - doubt.double().mean()
    gram = z.T @ z / len(z) + penalty * torch.eye(z.shape[1], dtype=torch.float64)
    return torch.linalg.solve(gram, z.T @ target / len(z)).float()
