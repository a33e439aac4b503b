"""The hidden true label of every sample, fitted to all of them or, where they are many, to a part."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from unchaff.partition.latent import latent
from unchaff.records import Wide
from unchaff.samples import Ids
from unchaff.shards import whole
from unchaff.streams import Streams

FITTED_ON = 1_000_000  # samples times classes the model is fitted to; of more, a part drawn by id
AT_ONCE = FITTED_ON // 4  # the same, of a piece the fitted model is applied to


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
    if size * classes <= FITTED_ON:
        found = latent([whole(each) for each in opinions], labels)
        posterior = found.posterior
        return Believed(_own(posterior, labels), posterior.argmax(1), found.agrees, size)
    rows = torch.from_numpy(Streams(0).subset("latent", ids, max(1, FITTED_ON // classes)))
    found = latent([whole(each[rows]) for each in opinions], labels[rows])
    quality, suggested = [], []
    for piece in torch.arange(size).split(max(1, AT_ONCE // classes)):
        posterior = found.model.posterior([whole(each[piece]) for each in opinions], labels[piece])
        quality.append(_own(posterior, labels[piece]))
        suggested.append(posterior.argmax(1))
    return Believed(torch.cat(quality), torch.cat(suggested), found.agrees, len(rows))


def _own(posterior: Float[Tensor, "b classes"], labels: Int[Tensor, " b"]) -> Float[Tensor, " b"]:
    return posterior.gather(1, labels[:, None]).squeeze(1).clamp(0, 1)
