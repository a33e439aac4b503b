"""Copies of networks."""

import copy
from typing import TypeVar

from torch import Tensor, nn

Net = TypeVar("Net", bound=nn.Module)


def copied(model: Net) -> Net:
    """Return a deep copy, though a weight is made of others and still hangs in the graph of the last pass.

    So it is with `torch.nn.utils.weight_norm` and `spectral_norm` as hooks: the copy makes it anew.
    """
    made = {
        id(each): each.detach().clone()
        for module in model.modules()
        for each in vars(module).values()
        if isinstance(each, Tensor) and not each.is_leaf
    }
    return copy.deepcopy(model, made)
