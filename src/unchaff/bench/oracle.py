"""What a perfect selection would give; takes the truth in plain sight."""

from dataclasses import dataclass, field
from typing import ClassVar

from unchaff.methods.retrain import Retrain, retrained
from unchaff.records import Observed, Outcome, Trained, Truth
from unchaff.streams import Streams


@dataclass(frozen=True, kw_only=True)
class Oracle:
    """A whole training, by the same recipe, on the truly good samples only.

    Source: the usual upper reference. Not a method: it reads the truth.
    """

    truth: Truth
    training: Retrain = field(default_factory=Retrain)
    anew: ClassVar[bool] = True

    def __call__(self, trained: Trained, observed: Observed, *, streams: Streams) -> Outcome:
        """Train anew on what is right."""
        truth = self.truth.select(observed.train.ids)
        good = observed.train.select(truth.ids[~truth.is_noisy.numpy()])
        return retrained(trained, good, self.training, streams=streams)
