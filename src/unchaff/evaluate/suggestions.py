"""How right suggested labels are, and the transition they stand for; needs the truth."""

from dataclasses import dataclass

from jaxtyping import Float, Int
from torch import Tensor

from unchaff.records import Partition, Truth
from unchaff.train.gibbs import counted


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
    suggested, labels, true = split.suggested.cpu(), given.cpu(), truth.true_label.cpu()
    rows = [_transition(source, labels, classes) for source in (suggested, true)]
    return Suggestions(
        label_error=float((suggested != true).double().mean()),
        given_error=float((labels != true).double().mean()),
        transition_error=float((rows[0] - rows[1]).abs().sum(1).mean()),
    )


def _transition(
    source: Int[Tensor, " n"], given: Int[Tensor, " n"], classes: int
) -> Float[Tensor, "classes classes"]:
    """Return the share of each given label among the samples of each class; rows sum to 1, or are empty."""
    counts = counted(source, given, classes)
    return counts / counts.sum(1, keepdim=True).clamp_min(1)
