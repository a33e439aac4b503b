"""Which optimizer takes the steps, and how it is set."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import nn
from torch.optim import Optimizer

from unchaff.records import Recipe


@runtime_checkable
class Optimizes(Protocol):
    """Makes an optimizer for some parameters."""

    def __call__(self, parameters: Iterable[nn.Parameter], lr: float) -> Optimizer:
        """Return the optimizer at its first rate."""
        ...


@dataclass(frozen=True, kw_only=True)
class Sgd:
    """Gradient descent with Nesterov momentum."""

    momentum: float = 0.9
    weight_decay: float = 5e-4

    def __call__(self, parameters: Iterable[nn.Parameter], lr: float) -> Optimizer:
        nesterov = self.momentum > 0
        return torch.optim.SGD(
            parameters, lr=lr, momentum=self.momentum, weight_decay=self.weight_decay, nesterov=nesterov
        )


@dataclass(frozen=True, kw_only=True)
class Adam:
    """Adam; its decay is part of the gradient, or taken off the weights directly if decoupled (AdamW)."""

    weight_decay: float = 0.01
    decoupled: bool = True

    def __call__(self, parameters: Iterable[nn.Parameter], lr: float) -> Optimizer:
        kind = torch.optim.AdamW if self.decoupled else torch.optim.Adam
        return kind(parameters, lr=lr, weight_decay=self.weight_decay)


def optimizer_of(recipe: Recipe, *, weight_decay: float | None = None) -> Optimizes:
    """Return the optimizer of a recipe, with another decay if one is given."""
    decay = recipe.weight_decay if weight_decay is None else weight_decay
    return Adam(weight_decay=decay) if recipe.adam else Sgd(momentum=recipe.momentum, weight_decay=decay)
