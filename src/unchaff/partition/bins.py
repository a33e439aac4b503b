"""Bins of quality, fine at both ends: most samples lie there, and there one answer in ten changes most."""

import numpy as np
from numpy.typing import NDArray

EDGES = (0.0, 0.001, 0.01, 0.05, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.95, 0.99, 0.999, 1.0)
NUM_BINS = len(EDGES) - 1


def bins_of(quality: NDArray[np.floating]) -> NDArray[np.int64]:
    """Return the bin of each quality; an edge belongs to the bin above it.

    >>> bins_of(np.array([0.0, 0.5, 1.0])).tolist()
    [0, 7, 13]
    """
    return np.clip(np.searchsorted(EDGES, quality, side="right") - 1, 0, NUM_BINS - 1).astype(np.int64)
