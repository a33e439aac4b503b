"""Silence nothing: the control without pruning."""

from dataclasses import dataclass

from unchaff.records import Observed, Partition, PrunePlan, Trained
from unchaff.streams import Streams


@dataclass(frozen=True)
class NoPruning:
    """Returns an empty plan."""

    def __call__(
        self, trained: Trained, observed: Observed, partition: Partition, *, streams: Streams
    ) -> PrunePlan:
        """Plan nothing."""
        return PrunePlan(reason="Pruning is switched off.")
