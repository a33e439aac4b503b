"""Closed-form leave-one-out ridge regression of one-hot labels, from sums over chunks."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

PENALTIES = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)  # that are chosen among


class Sums:
    """Counts, first and second moments of features and one-hot labels, added chunk by chunk.

    Double precision, always on the CPU: the result depends on the canonical order only.
    """

    def __init__(self, classes: int) -> None:
        self._classes = classes
        self.count = 0
        self._first: Tensor | None = None

    def add(self, features: Float[Tensor, "b d"], labels: Tensor) -> None:
        """Add some samples."""
        features = features.double().cpu()
        targets = functional.one_hot(labels.cpu(), self._classes).double()
        if self._first is None:
            width = features.shape[1]
            self._first = torch.zeros(width, dtype=torch.float64)
            self._second = torch.zeros(width, width, dtype=torch.float64)
            self._cross = torch.zeros(width, self._classes, dtype=torch.float64)
            self._targets = torch.zeros(self._classes, dtype=torch.float64)
        self.count += len(features)
        self._first += features.sum(0)
        self._second.addmm_(features.T, features)
        self._cross.addmm_(features.T, targets)
        self._targets += targets.sum(0)

    def state(self) -> dict[str, Tensor]:
        """Return the sums, to go on from them."""
        if self._first is None:
            return {}
        return {
            "count": torch.tensor(self.count),
            "first": self._first,
            "second": self._second,
            "cross": self._cross,
            "targets": self._targets,
        }

    def restore(self, state: dict[str, Tensor]) -> None:
        """Go on from such sums."""
        self.count = int(state["count"])
        self._first, self._second = state["first"], state["second"]
        self._cross, self._targets = state["cross"], state["targets"]

    def join(self, state: dict[str, Tensor]) -> None:
        """Add such sums of other samples."""
        if self._first is None:
            self.restore({name: each.clone() for name, each in state.items()})
            return
        self.count += int(state["count"])
        self._first += state["first"]
        self._second += state["second"]
        self._cross += state["cross"]
        self._targets += state["targets"]

    def solve(self, penalty: float | None) -> "Ridge":
        """Return the regression.

        Args:
            penalty: relative to the unit variance of a feature; None: the one of `PENALTIES` with the
                least generalised cross-validation error.
        """
        if self._first is None:
            raise RuntimeError("solve() before add()")
        mean, target = self._first / self.count, self._targets / self.count
        covariance = self._second / self.count - mean[:, None] * mean
        variance = covariance.diagonal().clamp_min(0)
        scale = torch.where(variance > 1e-12, variance.clamp_min(1e-12).rsqrt(), torch.zeros_like(variance))
        gram = covariance * scale[:, None] * scale
        cross = (self._cross / self.count - mean[:, None] * target) * scale[:, None]
        if penalty is None:
            penalty = _chosen(gram, cross, target, self.count)
        inverse = torch.linalg.inv(gram + penalty * torch.eye(len(mean), dtype=torch.float64))
        return Ridge(mean, scale, inverse, inverse @ cross, target, self.count)


def _chosen(gram: Tensor, cross: Tensor, target: Tensor, count: int) -> float:
    """Return the penalty whose prediction of left out samples errs least, from the sums alone.

    Source: generalised cross-validation, Golub, Heath and Wahba, Technometrics 21 (1979).
    """
    variances, axes = torch.linalg.eigh(gram)
    variances = variances.clamp_min(0)
    along = (axes.T @ cross).square().sum(1)
    spread = (target * (1 - target)).sum()  # of the one-hot labels

    def error(penalty: float) -> float:
        shrunk = variances / (variances + penalty)
        explained = (along * (2 - shrunk) / (variances + penalty)).sum()
        return float((spread - explained) / (1 - (shrunk.sum() + 1) / count) ** 2)

    return min(PENALTIES, key=error)


@dataclass(frozen=True)
class Ridge:
    """A solved regression on standardised features, with the leverage of every sample at hand."""

    mean: Tensor
    scale: Tensor
    inverse: Tensor  # of gram / n + penalty
    weights: Float[Tensor, "d classes"]  # on standardised features
    target: Tensor  # intercept: share of each class
    count: int

    def predict(self, features: Float[Tensor, "b d"]) -> Float[Tensor, "b classes"]:
        """Return what the regression says of samples that were not in it."""
        return self.target + self._standardised(features) @ self.weights

    def _standardised(self, features: Tensor) -> Tensor:
        return (features.double().cpu() - self.mean) * self.scale

    def leave_one_out(self, features: Float[Tensor, "b d"], labels: Tensor) -> Float[Tensor, "b classes"]:
        """Return what the regression fitted without this sample would say of it.

        p_i = (yhat_i - h_i y_i) / (1 - h_i), with the leverage h_i: exact for ridge with a free
        intercept and the standardisation held fixed.
        """
        z = self._standardised(features)
        leverage = ((z @ self.inverse) * z).sum(1) / self.count + 1 / self.count
        said = self.predict(features)
        own = functional.one_hot(labels.cpu(), said.shape[1]).double()
        leverage = leverage.clamp(max=1 - 1e-6)[:, None]
        return (said - leverage * own) / (1 - leverage)

    def attribution(self, features: Float[Tensor, "b d"], labels: Tensor) -> Float[Tensor, "b d"]:
        """Return how much each feature spoke for the given label: weight times standardised activation."""
        return self._standardised(features) * self.weights[:, labels.cpu()].T


def flops_per_sample(width: int, classes: int) -> float:
    """Operations per sample of building the sums and of scoring; the solve is small beside them."""
    return 4.0 * width * width + 6.0 * width * classes
