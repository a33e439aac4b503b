"""How right suggested labels are, and the transition they stand for; needs the truth."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int
from numpy.typing import NDArray
from torch import Tensor

from unchaff.records import Partition, Truth


@dataclass(frozen=True, kw_only=True)
class Suggestions:
    """Suggested labels beside the given ones and the truth."""

    label_error: float  # share of the suggested labels that is wrong; lower is better
    given_error: float  # share of the given labels that is wrong
    transition_error: float  # L1 distance to the transition of the truth, mean over its rows; lower is better


def suggest(split: Partition, given: Int[Tensor, " n"], truth: Truth, classes: int) -> Suggestions | None:
    """Compare what a split suggests with the truth; None where it suggests nothing.

    Args:
        split: in canonical order, as the labels and the truth.
        given: labels as given.
        truth: about the same samples.
        classes: how many there are.
    """
    if split.suggested is None:
        return None
    suggested, labels = split.suggested.cpu().numpy(), given.cpu().numpy()
    true = truth.true_label.cpu().numpy()
    rows = [_transition(source, labels, classes) for source in (suggested, true)]
    return Suggestions(
        label_error=float((suggested != true).mean()),
        given_error=float((labels != true).mean()),
        transition_error=float(np.abs(rows[0] - rows[1]).sum(1).mean()),
    )


def _transition(source: NDArray[np.int64], given: NDArray[np.int64], classes: int) -> NDArray[np.float64]:
    """Return the share of each given label among the samples of each class; rows sum to 1, or are empty."""
    counts = np.zeros((classes, classes))
    np.add.at(counts, (source, given), 1)
    return counts / np.maximum(counts.sum(1, keepdims=True), 1)
