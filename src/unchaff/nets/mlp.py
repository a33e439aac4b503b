"""A fully connected network."""

from itertools import pairwise
from math import prod

from torch import nn

from unchaff.nets.standardize import Standardize


def mlp(shape: tuple[int, ...], classes: int, hidden: tuple[int, ...] = (256, 128)) -> nn.Sequential:
    """Return standardised inputs, hidden layers with batch norm and ReLU, and logits."""
    sizes = (prod(shape), *hidden)
    layers: list[nn.Module] = [Standardize(shape[0], len(shape) - 1), nn.Flatten()]
    for inputs, outputs in pairwise(sizes):
        layers += [nn.Linear(inputs, outputs, bias=False), nn.BatchNorm1d(outputs), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(sizes[-1], classes))
