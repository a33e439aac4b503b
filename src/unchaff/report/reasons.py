"""Why a sample is distrusted: which piece of evidence spoke against it, in words."""

from collections.abc import Mapping, Sequence
from math import floor
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from unchaff.report.words import percent

if TYPE_CHECKING:
    from unchaff.records import Partition

Rows = NDArray[np.int64]
FIRST = "first_"  # begins the name of evidence from before any repair
LOW = 0.25  # of the samples have lower evidence: above it, nothing was said against a sample
OF_INPUTS = ("typicality",)
# By column: how a sample is that is low in it; "than ... % of the samples" follows.
SAID: Mapping[str, str] = MappingProxyType(
    {
        "readout": "what the layers read shows its label, {given}, less clearly",
        "own_log_probability": "the network finds its label, {given}, less probable",
        "margin": "the network's outputs favour its label, {given}, less",
        "loss": "the network fits its label, {given}, worse",
        "trajectory": "its label, {given}, was learned later or less surely",
        "recorded_margin": "in the recorded training its label, {given}, was learned later or less surely",
        "typicality": "its input is more unlike the others",
    }
)


def reasons(split: "Partition", rows: Sequence[int], given: Sequence[str]) -> list[str]:
    """Return one sentence for each row; `given` are the names of their labels."""
    lower = Ranks.of(split).below(rows)
    return [
        sentence({name: float(shares[place]) for name, shares in lower.items()}, label)
        for place, label in enumerate(given)
    ]


class Ranks:
    """Where samples stand among all, by each piece of evidence that had a say."""

    def __init__(self, evidence: Mapping[str, NDArray[np.float32]], threshold: float | None) -> None:
        """Take the evidence; `threshold` is that of the split, None where there was none."""
        self.evidence = {name: values for name, values in evidence.items() if _counts(name, threshold)}
        self._sorted: dict[str, NDArray[np.float32]] = {}  # what is known of each, when it is first asked for

    @classmethod
    def of(cls, split: "Partition") -> "Ranks":
        """Return the ranks of the samples of a split."""
        return cls({name: values.numpy() for name, values in split.evidence.items()}, split.threshold)

    def below(self, rows: Sequence[int] | Rows) -> dict[str, NDArray[np.float64]]:
        """Return of each row which share of all has lower evidence; NaN where there is none of its own."""
        return {name: self._shares(name, np.asarray(rows, dtype=np.int64)) for name in self.evidence}

    def standing(self, rows: Sequence[int] | Rows) -> NDArray[np.float64]:
        """Return of each row which share of all has lower evidence, where that is lowest."""
        lowest = np.ones(len(rows))
        for shares in self.below(rows).values():
            lowest = np.fmin(lowest, shares)
        return lowest

    def worst_first(self, quality: NDArray[np.float32]) -> Rows:
        """Return all rows, lowest quality first; ties are ordered by the evidence, then by id."""
        rows = np.argsort(quality, kind="stable")
        is_same = np.diff(quality[rows]) == 0
        is_tied = np.zeros(len(rows), dtype=np.bool_)
        is_tied[1:] |= is_same
        is_tied[:-1] |= is_same
        tied = rows[is_tied]  # very many rows have few ties, and only those need ranks
        rows[is_tied] = tied[np.lexsort((self.standing(tied), quality[tied]))]
        return rows

    def _shares(self, name: str, rows: Rows) -> NDArray[np.float64]:
        values = self.evidence[name]
        if name not in self._sorted:
            self._sorted[name] = np.sort(values[np.isfinite(values)])
        known, own = self._sorted[name], values[rows]
        return np.where(np.isfinite(own), np.searchsorted(known, own) / max(1, len(known)), np.nan)


def _counts(name: str, threshold: float | None) -> bool:
    """Whether a column had a say; one about inputs had none where a threshold judged labels alone."""
    return threshold is None or name.removeprefix(FIRST) not in OF_INPUTS


def sentence(shares: Mapping[str, float], given: str) -> str:
    """Return what spoke most clearly against one sample.

    Args:
        shares: by column, which share of the samples has lower evidence; NaN where there is none.
        given: name of its label.
    """
    known = {name: share for name, share in shares.items() if np.isfinite(share)}
    if not known:
        return "no evidence was taken down for it"
    name = min(known, key=known.__getitem__)
    if known[name] > LOW:
        return "no single piece of evidence stands out"
    plain = name.removeprefix(FIRST)
    when = "before any repair, " if name != plain else ""
    what = SAID[plain].format(given=given) if plain in SAID else f"{plain.replace('_', ' ')} is lower"
    return f"{when}{what} than {_most(1 - known[name])}"


def _most(share: float) -> str:
    """Return a share of the samples, never rounded up to all of them."""
    if share >= 1:
        return "any other sample"
    return f"{percent(floor(share * 1000) / 1000)} of the samples"
