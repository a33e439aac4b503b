"""How fast the noisy samples are found when a person looks at the worst first; needs the truth."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unchaff.evaluate.detection import aligned
from unchaff.records import Partition, Truth

POINTS = 200  # of a curve, at most about


@dataclass(frozen=True)
class Curve:
    """Points from nothing inspected to all; between two of them the samples tie, or lie close."""

    inspected: tuple[float, ...]  # share of all samples, lowest quality first
    found: tuple[float, ...]  # share of the noisy ones that is among them: the hit rate of the ROC curve
    false_alarms: tuple[float, ...]  # share of the right ones that is among them


def inspect(partition: Partition, truth: Truth) -> Curve | None:
    """Compare a ranking by quality with the truth about its ids.

    Returns:
        The curve; None where all samples are noisy or none is.

    Raises:
        DataError: if the truth does not cover the ids.
    """
    is_noisy = aligned(partition, truth)
    if not 0 < is_noisy.sum() < len(is_noisy):
        return None
    return inspect_noisy(partition.quality.double().cpu().numpy(), is_noisy)


def inspect_noisy(quality: NDArray[np.float64], is_noisy: NDArray[np.bool_]) -> Curve:
    """Return the curve; samples of one quality count as found evenly, so that their order never decides."""
    order = np.argsort(quality, kind="stable")
    ends = np.append(np.diff(quality[order]) > 0, True).nonzero()[0] + 1  # where no tie is cut
    hits = np.append(0, is_noisy[order].cumsum()[ends - 1])
    seen = np.append(0, ends)
    wanted = np.linspace(0, len(quality), POINTS + 1)
    rows = np.unique(np.searchsorted(seen, wanted).clip(max=len(seen) - 1))
    seen, hits, noisy = seen[rows], hits[rows], int(is_noisy.sum())
    return Curve(
        inspected=tuple((seen / len(quality)).tolist()),
        found=tuple((hits / noisy).tolist()),
        false_alarms=tuple(((seen - hits) / (len(quality) - noisy)).tolist()),
    )
