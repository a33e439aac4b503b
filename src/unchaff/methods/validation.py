"""What a method chooses an epoch or a setting on."""

from unchaff.errors import ConfigError
from unchaff.interfaces import Repair
from unchaff.records import Observed
from unchaff.samples import Samples


def validation_of(observed: Observed) -> tuple[Samples | None, str]:
    """Return the samples to choose on, and what to call them: those known to be right before the hold-out."""
    if observed.reference is not None:
        return observed.reference, "the reference"
    return observed.holdout, "noisy validation"


def check_reference(method: Repair) -> None:
    """Refuse samples that are known to be right for a method that chooses nothing.

    Raises:
        ConfigError: the method makes no use of them.
    """
    if not getattr(method, "chooses", False):
        raise ConfigError(
            f"The method {type(method).__name__} makes no use of a reference. "
            "Leave the reference out, or take early-stop, sap or input-filter."
        )
