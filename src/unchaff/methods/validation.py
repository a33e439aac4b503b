"""What a method chooses an epoch or a setting on."""

from unchaff.records import Observed
from unchaff.samples import Samples


def validation_of(observed: Observed) -> tuple[Samples | None, str]:
    """Return the samples to choose on, and what to call them: those known to be right before the hold-out."""
    if observed.reference is not None:
        return observed.reference, "the reference"
    return observed.holdout, "noisy validation"
