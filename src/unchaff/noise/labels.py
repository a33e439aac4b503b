"""Wrong labels: symmetric, pair, asymmetric, any transition matrix, and those people really made."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from unchaff.errors import NoiseError
from unchaff.noise.base import checked_rate, lowest, present, relabelled
from unchaff.records import Truth
from unchaff.samples import Samples
from unchaff.streams import Streams

CIFAR = MappingProxyType(
    {
        "truck": "automobile", "bird": "airplane", "deer": "horse", "cat": "dog", "dog": "cat",
    }
)  # fmt: skip


@dataclass(frozen=True)
class Symmetric:
    """Exactly `round(rate * n)` labels change, each to another class that is there, chosen uniformly.

    Source: symmetric noise that excludes the true class. Papers differ: including it lowers the real
    rate by a factor (k - 1) / k.
    """

    rate: float  # share of labels that change, in [0, 1]

    def __post_init__(self) -> None:
        checked_rate(self.rate)

    def __call__(self, clean: Samples, *, streams: Streams) -> tuple[Samples, Truth]:
        """Plant."""
        draw = streams.per_id("symmetric", clean.ids)
        hit = lowest(draw, np.arange(len(clean)), self.rate)
        classes = present(clean)
        places = np.searchsorted(classes, clean.labels.cpu().numpy())
        # From 1, not 0: a shift of 0 would "change" a label to itself and lower the real rate.
        shift = 1 + (streams.per_id("symmetric/shift", clean.ids) * (len(classes) - 1)).astype(np.int64)
        places[hit] = (places[hit] + shift[hit]) % len(classes)
        return relabelled(clean, classes[places])


@dataclass(frozen=True)
class Pair:
    """In each class exactly `round(rate * n_k)` labels become the next that is there, the last the first.

    Source: Han et al., arXiv 1804.06872 (pair flipping).
    """

    rate: float  # share of each class, in [0, 1]

    def __post_init__(self) -> None:
        checked_rate(self.rate)

    def __call__(self, clean: Samples, *, streams: Streams) -> tuple[Samples, Truth]:
        """Plant."""
        classes = present(clean)
        following = dict(zip(classes.tolist(), np.roll(classes, -1).tolist(), strict=True))
        return _mapped(clean, following, self.rate, streams)


@dataclass(frozen=True)
class Asymmetric:
    """Classes become the one they are mistaken for: truck automobile, bird airplane, deer horse, cat and dog.

    In each class of the mapping exactly `round(rate * n_k)` labels change, so the rate over all
    samples is about half of it on CIFAR-10.

    Source: Patrini et al., arXiv 1609.03683; the map 9 to 1, 2 to 0, 4 to 7, 3 to 5 and back.
    """

    rate: float  # share of each mapped class, in [0, 1]
    mapping: Mapping[str, str] = field(default_factory=lambda: CIFAR)  # by class name

    def __post_init__(self) -> None:
        checked_rate(self.rate)

    def __call__(self, clean: Samples, *, streams: Streams) -> tuple[Samples, Truth]:
        """Plant.

        Raises:
            NoiseError: a class of the mapping is not in the data.
        """
        names = {name: label for label, name in enumerate(clean.class_names)}
        missing = sorted({*self.mapping, *self.mapping.values()} - set(names))
        if missing:
            raise NoiseError(
                f"asymmetric noise needs the classes {', '.join(missing)}, and the data have "
                f"{', '.join(clean.class_names[:10])}. Use pair or transition noise for other classes."
            )
        return _mapped(clean, {names[a]: names[b] for a, b in self.mapping.items()}, self.rate, streams)


@dataclass(frozen=True)
class Transition:
    """Labels change by a row-stochastic matrix, with counts exact to one sample per cell.

    Source: class-conditional noise; counts by largest remainders, so that the realised matrix is the
    asked one up to rounding.
    """

    matrix: NDArray[np.float64]  # (classes, classes); row: true, column: given

    def __post_init__(self) -> None:
        shape = self.matrix.shape
        if len(shape) != 2 or shape[0] != shape[1]:
            raise NoiseError(
                f"A transition matrix is square, got shape {shape}. Give one row per true class."
            )
        if (self.matrix < 0).any() or not np.allclose(self.matrix.sum(1), 1, atol=1e-6):
            raise NoiseError("Each row of a transition matrix must hold probabilities that sum to 1.")

    def __call__(self, clean: Samples, *, streams: Streams) -> tuple[Samples, Truth]:
        """Plant.

        Raises:
            NoiseError: the matrix is for another number of classes.
        """
        if len(self.matrix) != clean.num_classes:
            raise NoiseError(
                f"The transition matrix is for {len(self.matrix)} classes, the data have {clean.num_classes}."
            )
        draw = streams.per_id("transition", clean.ids)
        labels = clean.labels.cpu().numpy()
        given = labels.copy()
        for true in range(clean.num_classes):
            rows = np.flatnonzero(labels == true)
            rows = rows[np.argsort(draw[rows], kind="stable")]
            given[rows] = np.repeat(np.arange(clean.num_classes), shared(self.matrix[true], len(rows)))
        return relabelled(clean, given)


def shared(parts: NDArray[np.float64], count: int) -> NDArray[np.int64]:
    """Return whole numbers that sum to `count`, in proportion, by largest remainders."""
    exact = parts / parts.sum() * count
    whole = np.floor(exact).astype(np.int64)
    rest = np.argsort(whole - exact, kind="stable")[: count - int(whole.sum())]
    whole[rest] += 1
    return whole


def _mapped(
    clean: Samples, mapping: Mapping[int, int], rate: float, streams: Streams
) -> tuple[Samples, Truth]:
    draw = streams.per_id("mapped", clean.ids)
    labels = clean.labels.cpu().numpy()
    given = labels.copy()
    for true, wrong in mapping.items():
        given[lowest(draw, np.flatnonzero(labels == true), rate)] = wrong
    return relabelled(clean, given)
