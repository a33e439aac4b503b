"""The Protocols every stage and every whole method matches."""

from typing import Protocol, runtime_checkable

from unchaff.errors import ConfigError
from unchaff.records import Evidence, Observed, Outcome, Partition, PrunePlan, Trained
from unchaff.streams import Streams


@runtime_checkable
class Attributor(Protocol):
    """Judges every training sample; changes nothing."""

    def __call__(self, trained: Trained, observed: Observed, *, streams: Streams) -> Evidence:
        """Return evidence for each sample of `observed.train`."""
        ...


@runtime_checkable
class Partitioner(Protocol):
    """Turns evidence into a probability and a split."""

    def __call__(self, evidence: Evidence) -> Partition:
        """Return quality and the kept samples."""
        ...


@runtime_checkable
class Pruner(Protocol):
    """Finds the units to silence; does not silence them."""

    def __call__(
        self, trained: Trained, observed: Observed, partition: Partition, *, streams: Streams
    ) -> PrunePlan:
        """Return the plan."""
        ...


@runtime_checkable
class Repair(Protocol):
    """A whole method: from a trained network to an outcome."""

    def __call__(self, trained: Trained, observed: Observed, *, streams: Streams) -> Outcome:
        """Return the outcome; neither argument is modified."""
        ...


def checked(method: object) -> Repair:
    """Return a method that a user gave.

    Raises:
        ConfigError: it is none.
    """
    if isinstance(method, type) or not isinstance(method, Repair):
        came = f"the class {method.__name__}" if isinstance(method, type) else repr(method)
        raise ConfigError(
            f"method must be a repair method, got {came}. Give a member of unchaff.METHODS, such as "
            "unchaff.METHODS['unlearn']."
        )
    return method
