"""How far embeddings lie from the usual ones: Mahalanobis distance, plain or relative to a background."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

SHRINKAGE = 1e-6  # of the mean variance, added to every variance


@dataclass(frozen=True)
class Gaussian:
    """Where embeddings usually lie."""

    mean: Float[Tensor, " m"]
    white: Float[Tensor, "m m"]  # from the right: makes every direction of deviation 1

    def distance(self, rows: Float[Tensor, "n m"]) -> Float[Tensor, " n"]:
        """Return the squared Mahalanobis distance of each row; larger is less usual."""
        return ((rows - self.mean) @ self.white).square().sum(1)


class Moments:
    """Mean and covariance of rows that come in batches, summed in double precision."""

    def __init__(self) -> None:
        self.count = 0
        self._origin = self._first = self._second = torch.zeros(0)

    def add(self, rows: Float[Tensor, "n m"]) -> None:
        """Take in some rows."""
        if not len(rows):
            return
        rows = rows.double()
        if self.count == 0:  # sums about a typical row, so that a mean far from zero costs no digits
            self._origin = rows.mean(0)
            self._first, self._second = torch.zeros_like(self._origin), rows.new_zeros(rows.shape[1], 1)
        rows = rows - self._origin
        self._first, self._second = self._first + rows.sum(0), self._second + rows.T @ rows
        self.count += len(rows)

    def gaussian(self, shrinkage: float = SHRINKAGE) -> Gaussian:
        """Return the Gaussian; `shrinkage` of the mean variance is added to every variance."""
        shift = self._first / self.count
        covariance = self._second / self.count - shift[:, None] * shift
        ridge = shrinkage * covariance.diagonal().mean().clamp_min(1e-12)
        variances, axes = torch.linalg.eigh(covariance)
        floor = (1e-12 * variances.max()).clamp_min(1e-30)  # rounding leaves variances below zero
        white = axes * (variances.clamp_min(0) + ridge).clamp_min(floor).rsqrt()
        return Gaussian(self._origin + shift, white)


def gaussian_of(rows: Float[Tensor, "n m"], shrinkage: float = SHRINKAGE) -> Gaussian:
    """Return the Gaussian of rows that are all there."""
    moments = Moments()
    moments.add(rows)
    return moments.gaussian(shrinkage)


def relative(rows: Float[Tensor, "n m"], usual: Gaussian, background: Gaussian | None) -> Float[Tensor, " n"]:
    """Return the distance from the usual less that from the background; larger is more foreign.

    Without a background it is the plain distance.

    Source: Ren et al., ICLR 2023 (arXiv 2209.15558).
    """
    distance = usual.distance(rows)
    return distance if background is None else distance - background.distance(rows)
