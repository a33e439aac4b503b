"""Processes that train one network together, each on its own samples; alone, nothing of this does anything.

Who takes part, and how they find each other, is the affair of whoever started them: torch.distributed.
"""

from collections.abc import Iterable

import torch
from torch import Tensor, distributed, nn


def number() -> int:
    """Return how many processes there are."""
    return distributed.get_world_size() if _are_several() else 1


def share(count: int) -> int:
    """Return how many of so many samples of a batch each process takes."""
    return max(1, -(-count // number()))


def least(count: int) -> int:
    """Return the smallest of the counts of all processes, so that none waits for a step of another."""
    return int(_reduced(torch.tensor(count), distributed.ReduceOp.MIN)) if _are_several() else count


def all_are(yes: bool) -> bool:  # noqa: FBT001 - an answer, and no option
    """Whether it is so in every process."""
    return bool(least(int(yes)))


def average_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Replace each gradient by the mean over all processes."""
    if _are_several():
        _average([parameter.grad for parameter in parameters if parameter.grad is not None])


@torch.no_grad()
def average_buffers(model: nn.Module) -> None:
    """Replace running statistics by their mean over all processes, each of which saw other samples."""
    if _are_several():
        _average([buffer for buffer in model.buffers() if buffer.is_floating_point()])


def _average(tensors: list[Tensor]) -> None:
    """Average tensors in place, all in one message."""
    if not tensors:
        return
    flat = _reduced(torch.cat([each.reshape(-1) for each in tensors]), distributed.ReduceOp.SUM) / number()
    for each, part in zip(tensors, flat.split([each.numel() for each in tensors]), strict=True):
        each.copy_(part.view_as(each))


def _reduced(values: Tensor, how: object) -> Tensor:
    on_gpu = distributed.get_backend() == "nccl"
    held = values.cuda() if on_gpu else values
    distributed.all_reduce(held, op=how)
    return held.to(values.device)


def _are_several() -> bool:
    return distributed.is_available() and distributed.is_initialized() and distributed.get_world_size() > 1
