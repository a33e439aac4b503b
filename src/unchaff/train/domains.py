"""How far apart two sets of features are, and what draws them together."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

BANDWIDTHS = (0.5, 1.0, 2.0)  # in medians of the distances


def paired(left: Float[Tensor, "b d"], right: Float[Tensor, "b d"]) -> Float[Tensor, " b"]:
    """Return the squared distance of each row to that of the other set, from 0 to 4.

    The mean of all rows is taken off, and each is brought to length 1. Were the mean left in, features could
    come near each other by growing it, and all classes would come near each other too.
    """
    mean = torch.cat([left, right]).mean(0)
    apart = functional.normalize(left - mean, dim=1) - functional.normalize(right - mean, dim=1)
    return apart.square().sum(1)


def mmd(left: Float[Tensor, "b d"], right: Float[Tensor, "c d"]) -> Float[Tensor, ""]:
    """Return the squared maximum mean discrepancy under three Gaussian kernels, their mean.

    About 0 for two draws of one distribution: it is the estimate without bias, and may be a little below.

    Source: Gretton et al., JMLR 13 (2012), equation 3; several kernels: Long et al., arXiv 1502.02791.
    """
    both = torch.cat([left, right])
    square = torch.cdist(both, both).square()
    width = square.detach().flatten()[square.detach().flatten() > 0]
    median = width.sqrt().median() if len(width) else square.new_ones(())
    kernel = sum(((-square / (2 * (scale * median) ** 2)).exp() for scale in BANDWIDTHS), torch.zeros(()))
    kernel = kernel / len(BANDWIDTHS)
    n, m = len(left), len(right)
    within = [(part.sum() - part.diagonal().sum()) / max(1, len(part) * (len(part) - 1))
              for part in (kernel[:n, :n], kernel[n:, n:])]  # fmt: skip
    return within[0] + within[1] - 2 * kernel[:n, n:].sum() / (n * m)


def coral(left: Float[Tensor, "b d"], right: Float[Tensor, "c d"]) -> Float[Tensor, ""]:
    """Return the squared distance of the covariances over 4 d squared.

    Source: Sun and Saenko, arXiv 1607.01719, equation 1.
    """
    apart = _covariance(left) - _covariance(right)
    return apart.square().sum() / (4 * left.shape[1] ** 2)


def _covariance(rows: Tensor) -> Tensor:
    centred = rows - rows.mean(0)
    return centred.T @ centred / max(1, len(rows) - 1)


class Discriminator(nn.Module):
    """Tells the two sets apart, while what it reads learns to make that impossible.

    Source: Ganin and Lempitsky, arXiv 1409.7495, section 3.2 (gradient reversal), weight 1 from the start.
    """

    def __init__(self, width: int, hidden: int = 64) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, 1))

    def forward(self, left: Float[Tensor, "b d"], right: Float[Tensor, "b d"]) -> Float[Tensor, " b"]:
        """Return the loss of telling each pair apart, mean of its two rows, in nats."""
        said = [self.layers(_Reversed.apply(each)).squeeze(1) for each in (left, right)]
        return (functional.softplus(-said[0]) + functional.softplus(said[1])) / 2


class _Reversed(torch.autograd.Function):
    """The same on the way there; on the way back, the gradient the other way round."""

    @staticmethod
    def forward(_context: Any, inputs: Tensor) -> Tensor:  # noqa: ANN401
        """Return the inputs."""
        return inputs.view_as(inputs)

    @staticmethod
    def backward(_context: Any, *gradients: Tensor) -> Tensor:  # noqa: ANN401
        """Return the gradient, reversed."""
        return -gradients[0]
