"""Floating point operations of one sample, counted on the network itself."""

import copy
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode


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
    probe = copy.deepcopy(model).eval()
    batch = torch.zeros((2, *example.shape[1:]), device=example.device, dtype=example.dtype)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        probe(batch)
    forward = counter.get_total_flops() / 2
    with FlopCounterMode(display=False) as counter:
        output = probe(batch)
        if output.requires_grad:
            output.sum().backward()
    return Flops(forward=forward, training=counter.get_total_flops() / 2)
