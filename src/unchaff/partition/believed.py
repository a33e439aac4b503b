"""The hidden true label of every sample, fitted to all of them or, where they are many, to a part."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from unchaff.partition.latent import PIECE, latent
from unchaff.records import Wide
from unchaff.samples import Ids, Rows
from unchaff.shards import whole
from unchaff.streams import Streams

FITTED_ON = 4_000_000  # samples times classes the model is fitted to; of more, a part drawn by id
OF_A_CLASS = 100  # samples of each class that part holds on average, where classes are many
AT_MOST = 100_000_000  # samples times classes, however many classes


@dataclass(frozen=True)
class Believed:
    """What the fitted model says of all samples."""

    quality: Float[Tensor, " n"]  # probability that the given label is the true one
    suggested: Int[Tensor, " n"]  # the most probable label
    agrees: bool  # opinions speak for given labels more than for others
    fitted_on: int  # samples


def believed(opinions: Sequence[Wide], labels: Int[Tensor, " n"], ids: Ids) -> Believed:
    """Fit, and judge sample after sample.

    Args:
        opinions: (n, classes) each, as `latent` takes them.
        labels: as given.
        ids: decide which samples are fitted to.

    Raises:
        ModelError: an opinion holds numbers that are not finite.
    """
    size = len(labels)
    classes = opinions[0].shape[1]
    rows = torch.from_numpy(_rows(ids, classes))
    found = latent([whole(each[rows]) for each in opinions], labels[rows])
    quality, suggested = [], []
    for piece in torch.arange(size).split(max(1, PIECE // classes)):
        posterior = found.model.posterior([whole(each[piece]) for each in opinions], labels[piece])
        quality.append(posterior.gather(1, labels[piece][:, None]).squeeze(1).clamp(0, 1))
        suggested.append(posterior.argmax(1))
    return Believed(torch.cat(quality), torch.cat(suggested), found.agrees, len(rows))


def _rows(ids: Ids, classes: int) -> Rows:
    """Return the samples to fit to."""
    limit = max(FITTED_ON // classes, min(OF_A_CLASS * classes, AT_MOST // classes))
    return np.arange(len(ids)) if len(ids) <= limit else Streams(0).subset("latent", ids, limit)
