"""Set a part of the data aside."""

import numpy as np
from numpy.typing import NDArray

from unchaff.errors import ConfigError
from unchaff.samples import Samples
from unchaff.streams import Streams


def hold_out(samples: Samples, share: float, *, streams: Streams) -> tuple[Samples, Samples]:
    """Split off a share of each given label.

    Without groups exactly `round(share * n)` samples of each label are held out: those whose number drawn
    by id ranks lowest; at least one stays. Where that is none of any label, `round(share * n)` of all samples
    are: one each of the most frequent labels. With groups, whole groups go over, in the order of their
    numbers, as long as each brings the labels nearer to their share.

    Returns:
        What stays, and what was held out.

    Raises:
        ConfigError: the share is not between 0 and 1, or a part would be empty.
    """
    if not 0 < share < 1:
        raise ConfigError(
            f"The share to hold out must lie between 0 and 1, got {share}. For a tenth pass 0.1."
        )
    labels = samples.labels.cpu().numpy()
    held = _by_label(samples, labels, share, streams)
    if samples.groups is not None:
        held = _by_group(samples.groups, labels, share, streams)
    if not held.any() or held.all():
        why, advice = "one of each label stays", "or another share"
        if samples.groups is not None:
            why, advice = "groups stay whole", "another share, or no group column"
        raise ConfigError(
            f"Holding out {share} of {len(samples)} samples leaves one part empty, as {why}. Give more data, "
            f"{advice}."
        )
    return samples.at(np.flatnonzero(~held)), samples.at(np.flatnonzero(held))


def _by_label(
    samples: Samples, labels: NDArray[np.int64], share: float, streams: Streams
) -> NDArray[np.bool_]:
    draw = streams.per_id("holdout", samples.ids)
    held = np.zeros(len(samples), dtype=np.bool_)
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        count = min(round(share * len(rows)), len(rows) - 1)
        held[rows[draw[rows].argsort(kind="stable")[:count]]] = True
    return held if held.any() else _one_each(labels, draw, round(share * len(samples)))


def _one_each(labels: NDArray[np.int64], draw: NDArray[np.float64], count: int) -> NDArray[np.bool_]:
    """Choose one sample each of as many labels, the most frequent first; the only one of a label stays."""
    order = draw.argsort(kind="stable")
    _, first, sizes = np.unique(labels[order], return_index=True, return_counts=True)
    lowest = order[first[sizes > 1]]  # the sample of each label with the lowest number
    chosen = np.lexsort((draw[lowest], -sizes[sizes > 1]))[:count]
    held = np.zeros(len(labels), dtype=np.bool_)
    held[lowest[chosen]] = True
    return held


def _by_group(
    groups: NDArray[np.generic], labels: NDArray[np.int64], share: float, streams: Streams
) -> NDArray[np.bool_]:
    names, group_of = np.unique(groups, return_inverse=True)
    table = np.zeros((len(names), labels.max() + 1))
    np.add.at(table, (group_of, labels), 1)
    missing = share * table.sum(axis=0)
    chosen = np.zeros(len(names), dtype=np.bool_)
    for group in streams.per_id("holdout groups", names).argsort(kind="stable"):
        if np.square(missing - table[group]).sum() < np.square(missing).sum():
            chosen[group] = True
            missing = missing - table[group]
    return chosen[group_of]
