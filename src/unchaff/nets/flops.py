"""Floating point operations of one sample, counted on the network itself."""

import copy
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from unchaff.nets.hooks import ended_before


@dataclass(frozen=True)
class Flops:
    """Per sample: multiply and add count as two."""

    forward: float
    training: float  # forward and backward, only as far back as something is trained


def count(model: nn.Module, example: Tensor) -> Flops:
    """Count the operations of the network on inputs of this shape.

    Args:
        model: not modified; a copy is run.
        example: a prepared batch; its values do not matter.
    """
    probe, batch = _probe(model, example)
    with FlopCounterMode(display=False) as counter:
        output = probe(batch)
        if output.requires_grad:
            output.sum().backward()
    return Flops(forward=forward(model, example), training=counter.get_total_flops() / 2)


def forward(model: nn.Module, example: Tensor, *, until: str | None = None) -> float:
    """Count the operations per sample of a forward pass, or of its part before the module `until`."""
    probe, batch = _probe(model, example)
    with FlopCounterMode(display=False) as counter, torch.no_grad(), ended_before(probe, until):
        probe(batch)
    return counter.get_total_flops() / 2


def _probe(model: nn.Module, example: Tensor) -> tuple[nn.Module, Tensor]:
    batch = example[:1].repeat_interleave(2, dim=0)  # real values: a sequence of nothing is no input
    return copy.deepcopy(model).eval(), batch
