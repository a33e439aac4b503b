"""A spec or a data set -> Samples; one format per file."""

from unchaff.data.dataset import from_arrays, from_dataset
from unchaff.data.digits import digits
from unchaff.data.holdout import hold_out
from unchaff.data.load import load, load_like
from unchaff.data.options import Loaded, Options, Skipped

__all__ = [
    "Loaded",
    "Options",
    "Skipped",
    "digits",
    "from_arrays",
    "from_dataset",
    "hold_out",
    "load",
    "load_like",
]
