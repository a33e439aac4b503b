"""What is known beside the data: a record, which splits weigh in, and samples known to be right."""

from dataclasses import fields, replace
from typing import TypeVar

from unchaff.errors import ConfigError
from unchaff.interfaces import Repair
from unchaff.methods import METHODS
from unchaff.partition.recorded import Recorded
from unchaff.partition.transition import Transition
from unchaff.records import TrainingRecord

Method = TypeVar("Method", bound=Repair)


def heeding(method: Method, record: TrainingRecord | None) -> Method:
    """Return the method with the record in each of its splits; as it is without a record.

    Raises:
        ConfigError: it makes no split that a record could change.
    """
    if record is None:
        return method
    rules = {name: _heeding(rule, record) for name, rule in vars(method).items() if type(rule) is Transition}
    if not rules:
        raise ConfigError(
            f"The method {type(method).__name__} makes no use of a record. "
            "Leave the record out, or take unlearn."
        )
    return replace(method, **rules)  # type: ignore[type-var]


def chooses(method: Repair) -> bool:
    """Return whether a method chooses an epoch or a setting on samples that are known to be right."""
    return bool(getattr(method, "chooses", False))


def check_reference(method: Repair) -> None:
    """Refuse samples that are known to be right for a method that chooses nothing.

    Raises:
        ConfigError: the method makes no use of them.
    """
    if not chooses(method):
        able = ", ".join(name for name, each in METHODS.items() if chooses(each))
        raise ConfigError(
            f"The method {type(method).__name__} makes no use of a reference. "
            f"Leave the reference out, or take one that chooses: {able}."
        )


def _heeding(rule: Transition, record: TrainingRecord) -> Recorded:
    settings = {field.name: getattr(rule, field.name) for field in fields(Transition)}
    return Recorded(record=record, **settings)
