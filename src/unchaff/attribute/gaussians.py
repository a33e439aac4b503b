"""Two Gaussians along one line: how far apart, and who belongs to the upper one."""

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from sklearn.isotonic import IsotonicRegression
from sklearn.mixture import GaussianMixture
from torch import Tensor

from unchaff.records import Fitted, Hump

FITTED_ON = 1_000_000  # numbers
BINS = 40  # of the evidence, to be drawn
SAME = 1e-5  # of their size: how far rounding (float32) may set equal numbers apart


def posterior(total: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
    """Return the probability of the upper component, never falling as the evidence rises.

    Of more than `FITTED_ON` numbers, as many that are evenly spaced in their order are fitted to. A half
    for all where all are the same number.
    """
    return _fitted(total)[0]


def separated(total: Float[Tensor, " n"]) -> tuple[Float[Tensor, " n"], Fitted | None]:
    """Return what `posterior` does, and the mixture to be drawn; no mixture where all are the same number."""
    upper, mixture = _fitted(total)
    return upper, None if mixture is None else _described(mixture, total.double().numpy())


def _fitted(total: Float[Tensor, " n"]) -> tuple[Float[Tensor, " n"], GaussianMixture | None]:
    every = total.double().numpy()
    values = thinned(every)
    if _is_one_number(values):
        return torch.full_like(total, 0.5, dtype=torch.float32), None
    mixture = _two_components(values, floor=1e-6 * float(values.var()))
    upper = int(mixture.means_[:, 0].argmax())
    raw = mixture.predict_proba(values[:, None])[:, upper]
    curve = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip").fit(values, raw)
    return torch.from_numpy(curve.predict(every)).float(), mixture


def _described(mixture: GaussianMixture, every: NDArray[np.float64]) -> Fitted:
    """Return the mixture and all evidence in bins; a few numbers far out do not flatten the picture."""
    low, high = np.quantile(every, [0.001, 0.999])
    edges = np.linspace(low, max(high, low + 1e-9), BINS + 1)
    counts = np.histogram(every.clip(edges[0], edges[-1]), bins=edges)[0]
    widths = np.sqrt(mixture.covariances_[:, 0, 0])
    parts = zip(mixture.weights_, mixture.means_[:, 0], widths, strict=True)
    humps = sorted((Hump(*map(float, part)) for part in parts), key=lambda hump: hump.mean)
    return Fitted(tuple(edges.tolist()), tuple(counts.tolist()), tuple(humps))


def thinned(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the numbers, or `FITTED_ON` of them that lie evenly in their order, the ends among them."""
    if len(values) <= FITTED_ON:
        return values
    places = np.linspace(0, len(values) - 1, FITTED_ON).round().astype(np.int64)
    return np.sort(values)[places]


def ashman(total: Float[Tensor, " n"]) -> float:
    """Return Ashman's D of a two-component mixture: above 2 they are clearly apart; 0 for one number.

    Source: Ashman, Bird and Zepf, AJ 108 (1994), equation 1.
    """
    values = thinned(total.double().numpy())
    if _is_one_number(values):
        return 0.0
    mixture = _two_components(values, floor=1e-6)
    means, variances = mixture.means_[:, 0], mixture.covariances_[:, 0, 0]
    return float(np.sqrt(2) * abs(means[0] - means[1]) / np.sqrt(variances.sum()))


def _is_one_number(values: NDArray[np.float64]) -> bool:
    """Return whether numbers differ by rounding only, as of inputs that are all alike."""
    return bool(np.ptp(values) <= SAME * max(1.0, float(np.abs(values).max())))


def _two_components(values: NDArray[np.float64], floor: float) -> GaussianMixture:
    """Fit on sorted values from a fixed start: the same whatever the order, and no global draw.

    The fit stops at the library's tolerance of 1e-3, on purpose: run to its end, the likelihood leaves
    the two groups on human labels, whose evidence is no pair of Gaussians, and nothing is kept. Quality
    ranks well and is calibrated roughly.
    """
    starts = np.quantile(values, [0.2, 0.8])[:, None]
    mixture = GaussianMixture(2, means_init=starts, reg_covar=floor, max_iter=500, random_state=0)
    return mixture.fit(np.sort(values)[:, None])
