"""Floating point operations of one sample, counted on the network itself."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor, nn
from torch.backends import cudnn, mha, mkldnn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from unchaff.copies import copied
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

    def learn(probe: nn.Module, batch: Tensor) -> None:
        output = probe(batch)
        if output.requires_grad:
            output.sum().backward()

    return Flops(forward=forward(model, example), training=of(learn, model, example))


def forward(model: nn.Module, example: Tensor, *, until: str | None = None) -> float:
    """Count the operations per sample of a forward pass, or of its part before the module `until`."""

    def answer(probe: nn.Module, batch: Tensor) -> None:
        with torch.no_grad(), ended_before(probe, until):
            probe(batch)

    return of(answer, model, example)


def of(work: Callable[[nn.Module, Tensor], object], model: nn.Module, example: Tensor) -> float:
    """Count the operations per sample of what `work` does with a copy of the network and two inputs."""
    batch = example[:1].repeat_interleave(2, dim=0)  # real values: a sequence of nothing is no input
    probe = copied(model).eval()
    with _counted() as counter:
        work(probe, batch)
    return counter.get_total_flops() / 2


@contextmanager
def _counted() -> Iterator[FlopCounterMode]:
    """Count with recurrence and attention taken apart into products of matrices.

    Kernels that do them at a stroke cannot be counted, and which of them run depends on the device and on
    whether gradients are wanted. What is switched off is on again afterwards, where it was.
    """
    was = bool(mkldnn.enabled), cudnn.enabled, mha.get_fastpath_enabled()
    formulas = {torch.ops.aten._trilinear: _bilinear}
    try:
        _switch(onednn=False, on_gpu=False, fast=False)
        with (
            sdpa_kernel(SDPBackend.MATH),
            FlopCounterMode(display=False, custom_mapping=formulas) as counter,
        ):
            yield counter
    finally:
        _switch(onednn=was[0], on_gpu=was[1], fast=was[2])


def _switch(*, onednn: bool, on_gpu: bool, fast: bool) -> None:
    """Switch kernels that do several operations at a stroke on or off."""
    mkldnn.enabled = onednn  # type: ignore[assignment]  # torch's stub names the descriptor
    cudnn.enabled = on_gpu
    mha.set_fastpath_enabled(value=fast)


def _bilinear(*given: Sequence[int], **_named: object) -> int:
    """Return the operations of a product of three tensors, as of a bilinear layer: two for each of its terms.

    Args:
        given: three shapes, then for each of them the axes it lacks.
    """
    wide = []
    for shape, lacks in zip(given[:3], given[3:6], strict=True):
        sizes = list(shape)
        for axis in lacks:
            sizes.insert(axis, 1)
        wide.append(sizes)
    return 2 * prod(map(max, *wide))
