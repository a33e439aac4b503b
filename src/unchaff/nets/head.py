"""The last layer of a network, which turns features into logits."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from unchaff.errors import NeedsError
from unchaff.nets.hooks import in_eval_mode
from unchaff.nets.taps import find_layers


@dataclass(frozen=True)
class Head:
    """The layer that turns features into logits."""

    name: str
    width: int  # numbers it reads of a sample

    def of(self, model: nn.Module) -> nn.Linear:
        """Return it in this network, or in a copy of it."""
        return model.get_submodule(self.name)  # type: ignore[return-value]  # head_of saw to it


def head_of(model: nn.Module, example: Tensor) -> Head:
    """Return the last layer.

    Raises:
        NeedsError: the logits do not come from a linear layer that reads one row of numbers per sample.
    """
    last = next((layer for layer in find_layers(model, example) if layer.is_output), None)
    module = None if last is None else model.get_submodule(last.name)
    if last is None or not isinstance(module, nn.Linear) or len(last.input_shape) != 1:
        raise NeedsError(
            "The last layer of the network is no torch.nn.Linear that reads one row of numbers per sample, "
            "so it has no features to take apart from their classifier. Give a network that ends in one."
        )
    return Head(last.name, module.in_features)


def outputs_of(model: nn.Module, example: Tensor) -> int:
    """Return how many outputs a network has for a sample: as many as classes, or more."""
    with in_eval_mode(model), torch.no_grad():
        return int(model(example).shape[1])
