"""An adapter between frozen features and their classifier."""

import torch
from torch import Tensor, nn


class Adapter(nn.Module):
    """Features plus what a small network makes of them, weighted feature by feature.

    Source: Chen et al., arXiv 2309.17002, and their code: Linear, BatchNorm, ReLU, Linear, with a residual.
    """

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.inner = nn.Sequential(
            nn.Linear(width, hidden), nn.BatchNorm1d(hidden), nn.ReLU(), nn.Linear(hidden, width)
        )
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, features: Tensor) -> Tensor:
        """Return the adapted features (b, width)."""
        return features + self.weight * self.inner(features)


def tuned_head(width: int, classes: int, hidden: int) -> nn.Sequential:
    """Return an adapter and a linear classifier; a hidden width of 0 leaves the adapter out."""
    adapter = Adapter(width, hidden) if hidden else nn.Identity()
    return nn.Sequential(adapter, nn.Linear(width, classes))
