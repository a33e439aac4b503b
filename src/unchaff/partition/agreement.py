"""Whether an opinion of samples has anything to do with their labels."""

from math import sqrt

import torch
from jaxtyping import Float, Int
from torch import Tensor

CLEAR = 2.0  # standard errors by which what sees classes scores them higher where they were given


class Agreement:
    """Whether an opinion scores classes higher where they were given than elsewhere, beyond chance.

    Elsewhere, for a class that is frequent is scored high everywhere by what sees nothing.
    """

    def __init__(self, classes: int) -> None:
        self._number, self._all, self._own, self._squares = torch.zeros(4, classes, dtype=torch.float64)
        self._size = 0

    def add(self, scores: Float[Tensor, "n classes"], labels: Int[Tensor, " n"]) -> None:
        """Count some samples, their labels as given."""
        self._size += len(scores)
        own = scores.gather(1, labels[:, None]).squeeze(1)
        self._number += torch.bincount(labels, minlength=len(self._number))
        self._all += scores.sum(0)
        self._own.index_add_(0, labels, own)
        self._squares.index_add_(0, labels, own.square())

    @property
    def is_clear(self) -> bool:
        """Whether the mean rise is above nought by more than twice its standard error."""
        mean = self._all / self._size
        rise = float((self._own - self._number * mean).sum())
        square = float((self._squares - 2 * mean * self._own + self._number * mean.square()).sum())
        return rise > CLEAR * sqrt(max(square - rise**2 / self._size, 0.0))
