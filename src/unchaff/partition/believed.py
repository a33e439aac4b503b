"""The hidden true label of every sample, fitted to all of them or, where they are many, to a part."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from unchaff.partition.latent import Model, latent
from unchaff.partition.pieces import PIECE
from unchaff.records import Wide
from unchaff.samples import Ids, Rows
from unchaff.shards import whole
from unchaff.streams import Streams

FITTED_ON = 4_000_000  # samples times classes the model is fitted to; of more, a part drawn by id
OF_A_CLASS = 100  # samples of each class that part holds on average, where classes are many
DRAWN = "latent"  # the purpose of the draw
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
    classes = opinions[0].shape[1]
    rows = torch.from_numpy(_rows(ids, classes))
    found = latent([whole(each[rows]) for each in opinions], labels[rows])
    judged = [
        judge(found.model, [whole(each[piece]) for each in opinions], labels[piece])
        for piece in torch.arange(len(labels)).split(max(1, PIECE // classes))
    ]
    quality, suggested = zip(*judged, strict=True)
    return Believed(torch.cat(quality), torch.cat(suggested), found.agrees, len(rows))


def judge(
    model: Model, opinions: Sequence[Float[Tensor, "n classes"]], labels: Int[Tensor, " n"]
) -> tuple[Float[Tensor, " n"], Int[Tensor, " n"]]:
    """Return the quality of some samples, and their most probable labels."""
    posterior = model.posterior(opinions, labels)
    return posterior.gather(1, labels[:, None]).squeeze(1).clamp(0, 1), posterior.argmax(1)


def most_fitted(classes: int) -> int:
    """Return how many samples the model is fitted to at most."""
    return max(FITTED_ON // classes, min(OF_A_CLASS * classes, AT_MOST // classes))


def numbers(ids: Ids) -> Float[np.ndarray, " n"]:
    """Return the number of each id, in [0, 1): those with the lowest are fitted to."""
    return Streams(0).per_id(DRAWN, ids)


def _rows(ids: Ids, classes: int) -> Rows:
    """Return the samples to fit to."""
    limit = most_fitted(classes)
    return np.arange(len(ids)) if len(ids) <= limit else Streams(0).subset(DRAWN, ids, limit)
