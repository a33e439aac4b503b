"""Leave the network alone: what every method must beat."""

from dataclasses import dataclass

from unchaff.copies import copied
from unchaff.records import Observed, Outcome, Trained
from unchaff.streams import Streams


@dataclass(frozen=True)
class Nothing:
    """Returns a copy of the network as it came.

    Source: the `initial` row of arXiv 2506.11615.
    """

    def __call__(self, trained: Trained, observed: Observed, *, streams: Streams) -> Outcome:
        """Do nothing."""
        return Outcome(model=copied(trained.model))
