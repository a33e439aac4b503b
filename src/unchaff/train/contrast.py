"""Learning without labels: two views of one sample belong together, all others apart."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from unchaff.copies import copied
from unchaff.errors import ConfigError
from unchaff.nets.head import Head
from unchaff.samples import Batch


@dataclass(frozen=True)
class Contrast:
    """The normalised, temperature-scaled cross-entropy of two views of each sample (NT-Xent).

    Each view has to find the other one of its sample among all other views of the batch, by the cosine
    between them. About log(2 b - 1) where views say nothing about each other.

    Source: Chen et al., arXiv 2002.05709, equation 1 and algorithm 1.
    """

    temperature: float = 0.5

    def __post_init__(self) -> None:
        if self.temperature <= 0:
            raise ConfigError(f"temperature must be above 0, got {self.temperature}. The usual one is 0.5.")

    def __call__(self, outputs: Float[Tensor, "views width"], batch: Batch) -> Float[Tensor, " b"]:
        """Return the loss of each sample in nats, the mean over its two views.

        Args:
            outputs: projections of the first views of all samples, then of the second ones.
            batch: the samples; their labels are not looked at.
        """
        size = len(batch.rows)
        projected = functional.normalize(outputs.float(), dim=1)
        alike = (projected @ projected.T / self.temperature).fill_diagonal_(float("-inf"))
        other = torch.arange(2 * size, device=outputs.device).roll(size)  # row of the other view
        return functional.cross_entropy(alike, other, reduction="none").reshape(2, size).mean(0)


def contrast_flops(size: int, width: int) -> float:
    """Return the operations of one step of the contrast, forward and backward.

    Args:
        size: samples of the batch, each in two views.
        width: numbers that are compared.
    """
    return 3 * 2 * (2 * size) ** 2 * width


def projector(width: int, out: int) -> nn.Sequential:
    """Return what stands between the features and the contrast, and is thrown away afterwards.

    Source: Chen et al., arXiv 2002.05709, section 2.1: one hidden layer.
    """
    return nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, out))


def with_head(model: nn.Module, head: Head, module: nn.Module) -> nn.Module:
    """Return a copy of the network that ends in another module."""
    if not head.name:
        return module
    changed = copied(model)
    parent, _, name = head.name.rpartition(".")
    setattr(changed.get_submodule(parent), name, module)
    return changed
