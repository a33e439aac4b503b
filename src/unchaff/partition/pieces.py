"""Opinions as the model of the noise is fitted to them: standardised, some samples at a time."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import sqrt

import torch
from jaxtyping import Float, Int
from torch import Tensor

from unchaff.errors import not_finite

PIECE = 500_000  # samples times classes that are worked on at once
HELD = 4_000_000  # up to this many, what is made of the opinions is held; else it is made again each time


@dataclass(frozen=True)
class Piece:
    """Some samples, as they are worked on."""

    scores: Float[Tensor, "k n classes"]  # standardised
    labels: Int[Tensor, " n"]  # as given


def piece_of(opinions: Sequence[Tensor], deviations: tuple[float, ...], labels: Tensor) -> Piece:
    """Standardise some samples by the deviations of all."""
    pairs = zip(opinions, deviations, strict=True)
    scores = torch.stack([_scaled(_centred(opinion), deviation) for opinion, deviation in pairs])
    return Piece(scores, labels)


class Pieces:
    """Opinions and labels, in pieces; where they are few, these are made once."""

    def __init__(self, opinions: Sequence[Tensor], labels: Tensor) -> None:
        self.size, self.classes = opinions[0].shape
        self.number = len(opinions)
        self._opinions, self._labels = opinions, labels
        rows = max(1, PIECE // self.classes)
        self._parts = [slice(start, start + rows) for start in range(0, self.size, rows)]
        for opinion in opinions:
            check_finite(opinion)
        self.deviations = tuple(map(self._deviation, opinions))
        are_few = self.size * self.classes <= HELD
        self._held = list(map(self._made, self._parts)) if are_few else None

    def __iter__(self) -> Iterator[Piece]:
        return map(self._made, self._parts) if self._held is None else iter(self._held)

    def _made(self, part: slice) -> Piece:
        return piece_of([each[part] for each in self._opinions], self.deviations, self._labels[part])

    def _deviation(self, opinion: Tensor) -> float:
        # The mean is nought, for each sample has had its own taken off.
        squares = sum(float(_centred(opinion[part]).square().sum()) for part in self._parts)
        return sqrt(squares / opinion.numel())


def check_finite(opinion: Tensor) -> None:
    """Refuse what nothing can be fitted to.

    Raises:
        ModelError: it holds numbers that are not finite.
    """
    if not bool(opinion.isfinite().all()):
        broken = int((~opinion.isfinite()).any(1).sum())
        raise not_finite(f"{broken} of {len(opinion)}")


def _centred(opinion: Tensor) -> Float[Tensor, "n classes"]:
    """Return scores without the mean of each sample."""
    wide = opinion.detach().double().cpu()
    return wide - wide.mean(1, keepdim=True)


def _scaled(centred: Tensor, deviation: float) -> Float[Tensor, "n classes"]:
    return centred / deviation if deviation > 1e-12 else torch.zeros_like(centred)
