"""Whether a quality of 0.8 means that four of five such samples are right; needs the truth."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unchaff.evaluate.detection import aligned
from unchaff.records import Partition, Truth


@dataclass(frozen=True)
class Bin:
    """Samples whose quality lies in [low, high); the last bin includes 1."""

    low: float
    high: float
    count: int
    quality: float  # mean; 0 where the bin is empty
    right_share: float  # share that is not noisy; 0 where the bin is empty


@dataclass(frozen=True)
class Calibration:
    """How far quality is from the observed share of right samples."""

    error: float  # expected calibration error: the mean gap, weighted by count; lower is better
    bins: tuple[Bin, ...]


def calibrate(partition: Partition, truth: Truth, num_bins: int = 15) -> Calibration:
    """Compare quality with how often it was right, in bins of equal width.

    Source:
        Guo et al. 2017 (arXiv 1706.04599), eq. 3.

    Raises:
        DataError: if the truth does not cover the ids.
    """
    return calibrate_quality(partition.quality.double().cpu().numpy(), ~aligned(partition, truth), num_bins)


def calibrate_quality(
    quality: NDArray[np.float64], is_right: NDArray[np.bool_], num_bins: int = 15
) -> Calibration:
    """Compare quality in [0, 1] with which samples are right."""
    which = np.minimum((quality * num_bins).astype(np.int64), num_bins - 1)
    counts = np.bincount(which, minlength=num_bins)
    sums = np.bincount(which, weights=quality, minlength=num_bins)
    rights = np.bincount(which, weights=is_right, minlength=num_bins)
    bins = tuple(
        Bin(
            low=index / num_bins,
            high=(index + 1) / num_bins,
            count=int(counts[index]),
            quality=float(sums[index] / max(counts[index], 1)),
            right_share=float(rights[index] / max(counts[index], 1)),
        )
        for index in range(num_bins)
    )
    return Calibration(error=float(np.abs(sums - rights).sum() / len(quality)), bins=bins)
