"""Two beta distributions on the losses of all samples: small ones speak for a right label."""

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from scipy.stats import beta
from sklearn.isotonic import IsotonicRegression
from torch import Tensor

from unchaff.attribute.gaussians import thinned

ROUNDS = 10  # of expectation and maximisation
EDGE = 1e-3  # losses are scaled into (0, 1) and kept this far from its ends
ENDS = (5, 95)  # percentiles of the losses that become 0 and 1; the mixture is fitted to those between


def small(losses: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
    """Return the probability that a loss belongs to the smaller of two groups; never rises with the loss.

    One for all where there are not two groups of losses to tell apart.

    Source: Arazo et al., arXiv 1904.11238, equations 2 to 6 and the released code (percentiles, rounds,
    start); that the probability never rises with the loss is ours.
    """
    every = losses.double().cpu().numpy()
    low, high = np.percentile(every, ENDS)
    if high - low <= 1e-6 * max(1.0, abs(high)):
        return torch.ones_like(losses, dtype=torch.float32, device="cpu")
    scaled = ((every - low) / (high - low)).clip(EDGE, 1 - EDGE)
    values = np.sort(thinned(scaled[(every >= low) & (every <= high)]))
    shapes, shares = np.array([[1.0, 2.0], [2.0, 1.0]]), np.array([0.5, 0.5])
    for _ in range(ROUNDS):
        belongs = _belongs(values, shapes, shares)
        shapes = np.stack([_moments(values, weights) for weights in belongs])
        shares = belongs.sum(1) / belongs.sum()
    lower = int((shapes[:, 0] / shapes.sum(1)).argmin())
    raw = _belongs(values, shapes, shares)[lower]
    curve = IsotonicRegression(y_min=0, y_max=1, increasing=False, out_of_bounds="clip").fit(values, raw)
    return torch.from_numpy(curve.predict(scaled)).float()


def _belongs(
    values: NDArray[np.float64], shapes: NDArray[np.float64], shares: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the probability of each of the two (2, n)."""
    raw = np.stack([share * beta.pdf(values, *shape) for share, shape in zip(shares, shapes, strict=True)])
    raw = np.maximum(raw, 1e-12)
    return raw / raw.sum(0)


def _moments(values: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return both shapes of a beta distribution that has the mean and the variance of weighted values."""
    mean = np.average(values, weights=weights)
    variance = max(np.average((values - mean) ** 2, weights=weights), 1e-9)
    first = max(mean * (mean * (1 - mean) / variance - 1), 1e-3)
    return np.array([first, first * (1 - mean) / mean])
