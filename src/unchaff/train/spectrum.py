"""What singular values and covariances of features say, and losses that shape them."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional


def shares(features: Float[Tensor, "n d"]) -> Float[Tensor, " k"]:
    """Return the singular values, largest first, as shares of their sum."""
    values = torch.linalg.svdvals(features.float())
    return values / values.sum().clamp(min=1e-12)


def entropy(part: Float[Tensor, " k"]) -> float:
    """Return the entropy of such shares, in nats; high where many directions carry something.

    Source: SVE of Chen et al., arXiv 2309.17002.
    """
    return float(torch.special.entr(part).sum())


def largest_share(part: Float[Tensor, " k"]) -> float:
    """Return minus the logarithm of the largest of such shares; low where one direction rules.

    Source: LSVR of Chen et al., arXiv 2309.17002.
    """
    return -float(part[0].log())


def consistency(tuned: Float[Tensor, "n d"], before: Float[Tensor, "n d"]) -> Tensor:
    """Return the mean squared difference of rows of length one; no gradient reaches `before`."""
    target = functional.normalize(before.detach().float(), dim=1)
    return (functional.normalize(tuned.float(), dim=1) - target).square().mean()


def covariance(features: Float[Tensor, "n d"]) -> Tensor:
    """Return the sum of squares of the covariances of different features, per feature."""
    centred = features.float() - features.float().mean(0)
    table = centred.T @ centred / max(1, len(centred) - 1)
    return (table.square().sum() - table.diagonal().square().sum()) / features.shape[1]


def covariance_flops(n: int, d: int) -> float:
    """Return the operations of a covariance of n features of width d, forward and backward."""
    return 3 * 2 * n * d**2


def singular_flops(n: int, d: int) -> float:
    """Return the operations of singular values of n features of width d, forward and backward.

    Source: Golub and Van Loan, Matrix Computations, 4th edition, section 8.6, both sides, R-SVD; the backward
    pass is two products more.
    """
    tall, narrow = max(n, d), min(n, d)
    return 6 * tall * narrow**2 + 20 * narrow**3 + 4 * tall * narrow**2


def dominance(features: Float[Tensor, "n d"], largest: int) -> Tensor:
    """Return minus the mean share of so many largest singular values: minimised, they grow."""
    return -shares(features)[:largest].mean()
