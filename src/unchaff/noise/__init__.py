"""Samples -> (noisy Samples, Truth), deterministic per (seed, id)."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from unchaff.data.npz import BROKEN
from unchaff.errors import NoiseError
from unchaff.noise.base import Noise
from unchaff.noise.foreign import ForeignSpans
from unchaff.noise.human import Human
from unchaff.noise.inputs import GaussianInputs, GaussianPublished
from unchaff.noise.instance import InstanceDependent
from unchaff.noise.labels import Asymmetric, Pair, Symmetric, Transition
from unchaff.noise.mixed import Mixed
from unchaff.noise.recogniser import Recogniser
from unchaff.records import Truth
from unchaff.samples import Samples

# By name: what takes a rate, and what is written behind it.
NOISES: Mapping[str, Callable[..., Noise]] = MappingProxyType(
    {
        "symmetric": Symmetric,
        "pair": Pair,
        "asymmetric": Asymmetric,
        "instance": InstanceDependent,
        "gaussian": GaussianInputs,
        "gaussian-published": GaussianPublished,
        "foreign": ForeignSpans,
    }
)
OF_WORDS: Mapping[str, Callable[..., Noise]] = MappingProxyType({"recogniser": Recogniser})  # a share of them
OF_INPUTS = ("gaussian", "foreign", *OF_WORDS)  # begin the names of noise that leaves labels as they are
FILES = ("transition:FILE", "human:FILE:COLUMN")


@dataclass(frozen=True)
class Realised:
    """What was really planted."""

    rate: float  # share of noisy samples
    per_class: tuple[float, ...]  # by true label
    transitions: NDArray[np.int64]  # (classes, classes) counts; row: true, column: given


def parse(spec: str) -> Noise | None:
    """Return the noise of a spec such as `symmetric:0.4`, or of several joined by `+`; None for `none`.

    Raises:
        NoiseError: unknown kind, or a rate that is none.
    """
    kinds = "|".join((*NOISES, *OF_WORDS, *(file.partition(":")[0] for file in FILES), "none"))
    planted = [_one(part) for part in re.split(rf"\+(?=(?:{kinds})\b)", spec)]
    parts = tuple(part for part in planted if part is not None)
    return Mixed(parts) if len(parts) > 1 else parts[0] if parts else None


def _one(spec: str) -> Noise | None:
    kind, _, rest = spec.partition(":")
    if kind == "none":
        return None
    if kind == "transition":
        return Transition(_matrix(Path(rest)))
    if kind == "human":
        file, _, column = rest.rpartition(":")
        if not file:
            raise NoiseError(f"Human labels are given as human:FILE:COLUMN, got {spec!r}.")
        return Human(Path(file), column)
    known = {**NOISES, **OF_WORDS}
    if kind not in known:
        allowed = ", ".join([*(f"{name}:RATE" for name in known), *FILES, "none"])
        raise NoiseError(f"There is no noise {kind!r}. Allowed: {allowed}.")
    try:
        numbers = [float(part) for part in rest.split(":")]
    except ValueError as error:
        raise NoiseError(f"{spec!r} is not KIND:RATE. For 20 % noise write {kind}:0.2.") from error
    most = 2 if kind.startswith(("gaussian", "instance", "foreign")) else 1
    if len(numbers) > most:
        raise NoiseError(f"{spec!r} has {len(numbers)} numbers, {kind} takes {most}. Write {kind}:0.2.")
    return known[kind](*numbers)


def realised(truth: Truth, noisy: Samples) -> Realised:
    """Return the exact rates of what was planted."""
    true, given = truth.true_label.numpy(), noisy.labels.cpu().numpy()
    number = noisy.num_classes
    counts = np.zeros((number, number), dtype=np.int64)
    np.add.at(counts, (true, given), 1)
    hit = truth.is_noisy.numpy()
    per_class = tuple(
        float(hit[true == label].mean()) if (true == label).any() else 0.0 for label in range(number)
    )
    return Realised(int(hit.sum()) / len(hit), per_class, counts)


def _matrix(file: Path) -> NDArray[np.float64]:
    try:
        if file.suffix == ".npy":
            return np.array(np.load(file, allow_pickle=False, mmap_mode="r"), dtype=np.float64)
        return np.loadtxt(file, delimiter=",", ndmin=2)
    except BROKEN as error:
        raise NoiseError(f"{file} is not a matrix ({error}). Give a .csv or .npy file.") from error
