"""Leave the network alone: what every method must beat."""

import copy
from dataclasses import dataclass

from unchaff.records import Observed, Outcome, Trained
from unchaff.streams import Streams


@dataclass(frozen=True)
class Nothing:
    """Returns a copy of the network as it came.

    Source: the `initial` row of arXiv 2506.11615.
    """

    def __call__(self, trained: Trained, observed: Observed, *, streams: Streams) -> Outcome:
        """Do nothing."""
        return Outcome(model=copy.deepcopy(trained.model))
