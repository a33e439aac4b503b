"""Repair neural networks that were trained on noisy data."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from unchaff.api import load, repair, score
    from unchaff.data import from_arrays, from_dataset
    from unchaff.errors import UnchaffError
    from unchaff.estimator import RepairedClassifier
    from unchaff.methods import METHODS
    from unchaff.recording.recorder import Recorder
    from unchaff.records import Outcome, Recipe, Trained

__all__ = [
    "METHODS",
    "Outcome",
    "Recipe",
    "Recorder",
    "RepairedClassifier",
    "Trained",
    "UnchaffError",
    "from_arrays",
    "from_dataset",
    "load",
    "repair",
    "score",
]

# Loaded on first use: the command line starts without torch.
_HOMES = {
    "METHODS": "unchaff.methods",
    "Outcome": "unchaff.records",
    "Recipe": "unchaff.records",
    "Recorder": "unchaff.recording.recorder",
    "RepairedClassifier": "unchaff.estimator",
    "Trained": "unchaff.records",
    "UnchaffError": "unchaff.errors",
    "from_arrays": "unchaff.data",
    "from_dataset": "unchaff.data",
    "load": "unchaff.api",
    "repair": "unchaff.api",
    "score": "unchaff.api",
}


def __getattr__(name: str) -> object:
    """Return a public name."""
    if name not in _HOMES:
        raise AttributeError(f"module 'unchaff' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
