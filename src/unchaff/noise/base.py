"""What all noise shares: the rate check, and which samples it hits."""

from collections.abc import Callable
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unchaff.errors import NoiseError
from unchaff.records import Truth
from unchaff.samples import Rows, Samples
from unchaff.streams import Streams


@runtime_checkable
class Noise(Protocol):
    """Plants known noise; the truth comes apart from the samples."""

    def __call__(self, clean: Samples, *, streams: Streams) -> tuple[Samples, Truth]:
        """Return the noisy samples, and what was right. `clean` is not modified."""
        ...


def checked_rate(rate: float) -> None:
    """Refuse a rate outside [0, 1]."""
    if not 0 <= rate <= 1:
        raise NoiseError(f"rate must be in [0, 1], got {rate}. For 20 % noise pass 0.2.")


def lowest(draw: NDArray[np.float64], rows: Rows, rate: float) -> Rows:
    """Return exactly `round(rate * n)` of these rows, those with the lowest draw."""
    return rows[np.argsort(draw[rows], kind="stable")[: round(rate * len(rows))]]


def present(clean: Samples) -> NDArray[np.int64]:
    """Return the labels that samples have, in order; a number without samples is no class to plant.

    Raises:
        NoiseError: all samples have the same.
    """
    labels = np.unique(clean.labels.cpu().numpy())
    if len(labels) < 2:
        raise NoiseError(
            f"All {len(clean)} samples are {clean.class_names[labels[0]]}. "
            "Wrong labels need two classes with samples."
        )
    return labels


def relabelled(clean: Samples, labels: NDArray[np.int64]) -> tuple[Samples, Truth]:
    """Return the samples with other labels, and the truth about them."""
    given = torch.from_numpy(labels)
    right = clean.labels.cpu()
    truth = Truth(ids=clean.ids, true_label=right, is_noisy=given != right)
    return clean.relabel(given), truth


def spoiled(clean: Samples, hit: Rows) -> tuple[NDArray[np.bool_], Truth]:
    """Return a mask of the hit rows, and the truth where labels stay right."""
    mask = np.zeros(len(clean), dtype=bool)
    mask[hit] = True
    truth = Truth(ids=clean.ids, true_label=clean.labels.cpu(), is_noisy=torch.from_numpy(mask))
    return mask, truth


def one_by_one(
    rows: Rows, raw: Tensor, mask: NDArray[np.bool_], spoil: Callable[[Tensor, int], Tensor]
) -> Tensor:
    """Return raw inputs of which those that are hit went through `spoil`, with their row.

    Args:
        rows: of the inputs.
        raw: as stored; not modified.
        mask: which rows of all samples are hit.
        spoil: (one input, its row) -> the spoiled input.
    """
    hit = mask[rows]
    if not hit.any():
        return raw
    changed = raw.clone()
    for place in np.flatnonzero(hit):
        changed[place] = spoil(raw[place], int(rows[place]))
    return changed


def choices(draw: NDArray[np.float64], probabilities: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return one index per row of `probabilities` (n, k), by the number drawn for that row."""
    edges = probabilities.cumsum(1)
    return (draw[:, None] * edges[:, -1:] >= edges).sum(1).clip(max=probabilities.shape[1] - 1)
