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
    said = {name: values for name, values in split.evidence.items() if counts(name, split.threshold)}
    lower = {name: _below(values.numpy(), rows) for name, values in said.items()}
    return [
        sentence({name: float(shares[place]) for name, shares in lower.items()}, label)
        for place, label in enumerate(given)
    ]


def standing(split: "Partition") -> NDArray[np.float64]:
    """Return of each sample which share of all has lower evidence, where that is lowest."""
    rows = range(len(split.ids))
    said = [values for name, values in split.evidence.items() if counts(name, split.threshold)]
    shares = [_below(values.numpy(), rows) for values in said]
    return np.nan_to_num(shares, nan=1.0).min(axis=0) if shares else np.ones(len(rows))


def counts(name: str, threshold: float | None) -> bool:
    """Whether a column had a say; one about inputs had none where a threshold judged labels alone."""
    return threshold is None or name.removeprefix(FIRST) not in OF_INPUTS


def _below(values: NDArray[np.float32], rows: Sequence[int]) -> NDArray[np.float64]:
    """Return which share of the samples has lower evidence; NaN where there is none."""
    return below(np.sort(values[np.isfinite(values)]), values[np.asarray(rows)])


def below(known: NDArray[np.float32], own: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return which share of all known values, which are sorted, is lower; NaN where there is no own one."""
    shares = np.searchsorted(known, own) / max(1, len(known))
    return np.where(np.isfinite(own), shares, np.nan)


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
