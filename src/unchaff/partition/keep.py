"""What every rule owes the classes: none vanishes, rare ones are kept whole, starved ones are named."""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from unchaff.records import Partition

FEW = 10  # a class with fewer samples is kept whole


def spare_classes(
    kept: Bool[Tensor, " n"],
    score: Float[Tensor, " n"],
    labels: Int[Tensor, " n"],
    *,
    at_least: float = 0.1,
) -> Bool[Tensor, " n"]:
    """Return `kept` with at least the best tenth of each class, and small classes whole.

    Args:
        kept: the split so far; not modified.
        score: higher is better; decides who is added.
        labels: given labels.
        at_least: share of each class that stays whatever the evidence says.
    """
    kept = kept.clone()
    for label in labels.unique():
        rows = (labels == label).nonzero().squeeze(1)
        need = needed(len(rows), at_least=at_least)
        if int(kept[rows].sum()) < need:
            kept[rows[score[rows].argsort(descending=True, stable=True)[:need]]] = True
    return kept


def needed(count: int, *, at_least: float = 0.1) -> int:
    """Return how many samples stay of a class of so many."""
    return count if count < FEW else max(FEW // 2, round(at_least * count))


def spared(kept: int, above: int) -> str:
    """Return what to add to the reason of a split that kept so many, of which so many were above its line."""
    if kept == above:
        return ""
    return f" So that no class vanishes, {kept - above} of the kept are at or below it."


def starved(split: Partition | None, labels: Int[Tensor, " n"], names: Sequence[str]) -> list[str]:
    """Return a warning for each class of which less than half of the average share is kept."""
    if split is None:
        return []
    kept, labels = split.kept, labels.cpu()
    counts = torch.bincount(labels, minlength=len(names)).double()
    shares = torch.bincount(labels, weights=kept.double(), minlength=len(names)) / counts.clamp_min(1)
    average = float(kept.double().mean())
    return [
        f"Of the samples labelled {name!r} only {share:.1%} are kept, of all {average:.1%}: "
        "look at what was set aside before you trust the network there."
        for name, share, count in zip(names, shares.tolist(), counts.tolist(), strict=True)
        if count and share < 0.5 * average
    ]
