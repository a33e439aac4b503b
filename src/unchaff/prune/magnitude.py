"""Silence the units with the smallest weights."""

import time
from dataclasses import dataclass

from unchaff.prune.activations import check, last_layers, worst_units
from unchaff.records import Cost, Observed, Partition, PrunePlan, Trained
from unchaff.streams import Streams


@dataclass(frozen=True, kw_only=True)
class Magnitude:
    """Smallest norm of incoming weights first; does not look at the data.

    Source: Li et al., arXiv 1608.08710 (filter norms), with the L2 norm.
    """

    share: float = 0.05
    layers: float = 0.34

    def __post_init__(self) -> None:
        check(self.share, self.layers)

    def __call__(
        self, trained: Trained, observed: Observed, partition: Partition, *, streams: Streams
    ) -> PrunePlan:
        """Plan; the sensitivity of a unit is the inverse of its norm."""
        started = time.perf_counter()
        modules = dict(trained.model.named_modules())
        scores = {
            layer.name: 1 / modules[layer.name].weight.detach().flatten(1).norm(dim=1).cpu().clamp_min(1e-12)
            for layer in last_layers(trained, observed.train, self.layers)
        }
        cost = Cost.since(started, "prune")
        return worst_units(scores, self.share, "Smallest norm of incoming weights.", cost)
