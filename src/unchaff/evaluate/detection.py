"""How well low quality finds the samples that are noisy; needs the truth."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, roc_auc_score

from unchaff.errors import DataError
from unchaff.records import Partition, Truth


@dataclass(frozen=True, kw_only=True)
class Detection:
    """Noisy samples are the positives, and low quality is what should find them."""

    auroc: float  # of the ranking; 0.5 is chance, higher is better
    auprc: float  # of the ranking; the noise rate is chance, higher is better
    f1: float  # of the decided split, and so the next two
    precision: float  # share of the rejected that is noisy
    recall: float  # share of the noisy that is rejected
    fnr_at_rate: float  # share of the noisy not among the `num_noisy` lowest qualities; lower is better
    noise_rate: float  # true share of noisy samples
    kept_precision: float  # share of the kept that is right
    num_noisy: int
    n: int


def detect(partition: Partition, truth: Truth) -> Detection | None:
    """Compare a partition with the truth about its ids.

    Returns:
        The comparison; None where all samples are noisy or none is, since nothing can be told apart.

    Raises:
        DataError: if the truth does not cover the ids.
    """
    is_noisy = aligned(partition, truth)
    quality = partition.quality.double().cpu().numpy()
    if not 0 < is_noisy.sum() < len(is_noisy):
        return None
    return detect_noisy(quality, partition.kept.cpu().numpy(), is_noisy)


def aligned(partition: Partition, truth: Truth) -> NDArray[np.bool_]:
    """Return which samples of the partition are noisy, in the order of the partition.

    Raises:
        DataError: if the truth does not cover the ids.
    """
    missing = np.setdiff1d(partition.ids, truth.ids)
    if len(missing):
        raise DataError(
            f"The truth says nothing about {len(missing)} of {len(partition.ids)} ids, the first is "
            f"{missing[0].item()!r}. Give the truth that was written with this data."
        )
    selected = truth.select(partition.ids)
    back = np.argsort(np.argsort(partition.ids, kind="stable"), kind="stable")
    return selected.is_noisy.cpu().numpy()[back].astype(np.bool_)


def detect_noisy(
    quality: NDArray[np.float64], kept: NDArray[np.bool_], is_noisy: NDArray[np.bool_]
) -> Detection:
    """Return how well low quality, and the decided split, find the noisy samples.

    Raises:
        DataError: if all samples are noisy or none is.
    """
    n, num_noisy = len(is_noisy), int(is_noisy.sum())
    if not 0 < num_noisy < n:
        raise DataError(f"{num_noisy} of {n} samples are noisy; to tell them apart both kinds are needed.")
    rejected = ~kept
    hits, num_rejected = int((rejected & is_noisy).sum()), int(rejected.sum())
    num_kept = n - num_rejected
    return Detection(
        auroc=float(roc_auc_score(is_noisy, -quality)),
        auprc=float(average_precision_score(is_noisy, -quality)),
        f1=2 * hits / (num_rejected + num_noisy),
        precision=hits / num_rejected if num_rejected else 0.0,
        recall=hits / num_noisy,
        fnr_at_rate=missed_share(quality, is_noisy),
        noise_rate=num_noisy / n,
        kept_precision=(num_kept - (num_noisy - hits)) / num_kept if num_kept else 0.0,
        num_noisy=num_noisy,
        n=n,
    )


def missed_share(quality: NDArray[np.float64], is_noisy: NDArray[np.bool_]) -> float:
    """Return the share of the noisy samples that is not among the lowest as many as are noisy.

    Samples that tie at the last place count by their expected share, so that the order of the
    samples never decides.
    """
    count = int(is_noisy.sum())
    threshold = np.sort(quality)[count - 1]
    below, ties = quality < threshold, quality == threshold
    open_places = count - int(below.sum())
    found = int((below & is_noisy).sum()) + open_places * int((ties & is_noisy).sum()) / int(ties.sum())
    return 1 - found / count
