"""An adapter between frozen features and their classifier."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from unchaff.errors import ModelError

TUNED = "adapter and classifier instead of"  # among the modifications of an outcome, and the layer's name


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


def with_tuned_head(model: nn.Module, name: str, state: Mapping[str, Tensor]) -> nn.Module:
    """Return the network with its last layer replaced by what these weights are of; it is changed in place.

    Raises:
        ModelError: the network has no such layer, or the weights are of nothing like it.
    """
    inner = state.get(f"{name}.0.inner.0.weight")
    try:
        classes, width = state[f"{name}.1.weight"].shape
        hidden = 0 if inner is None else len(inner)
        model.set_submodule(name, tuned_head(width, classes, hidden), strict=True)
    except (AttributeError, KeyError, ValueError, RuntimeError) as error:
        raise ModelError(
            f"The weights are of no adapter and classifier in place of {name!r} ({error}). Give the run "
            "folder as it was written."
        ) from error
    return model
