"""Noise on what layers return: of analogue hardware, or to learn under; hooks are removed afterwards."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial

import torch
from torch import Tensor, nn

from unchaff.nets.denoising import Followed, is_in_block
from unchaff.nets.flops import forward
from unchaff.nets.hooks import in_eval_mode, read_outputs, removed_after
from unchaff.nets.looking import looked_at
from unchaff.nets.taps import Layer, find_layers
from unchaff.records import Cost
from unchaff.samples import Batch, Samples

AT_ONCE = 512  # samples
Deviation = Callable[[str, Tensor], Tensor | float]  # (layer, its clean output) -> deviation of the noise


def analogue_layers(model: nn.Module, example: Tensor) -> tuple[Layer, ...]:
    """Return the linear and convolution layers that run, in order; those of inserted blocks are digital."""
    return tuple(
        layer
        for layer in find_layers(model, example)
        if not layer.is_whole and not is_in_block(model, layer.name)
    )


@contextmanager
def noisy(
    model: nn.Module,
    names: tuple[str, ...],
    deviation: Deviation,
    generator: torch.Generator,
    *,
    learns: bool = False,
) -> Iterator[Mapping[str, Tensor]]:
    """Add Gaussian noise to what layers return, and collect what was added at the last forward pass.

    Args:
        model: as it was again at the end of the block.
        names: of layers, as in the network without inserted blocks, or as in this one.
        deviation: of the noise of a layer.
        generator: of the network's device.
        learns: whether gradients of the noise are wanted; they are those of the noisy outputs.
    """
    added: dict[str, Tensor] = {}

    def add(name: str, _module: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        drawn = torch.randn(output.shape, generator=generator, device=output.device)
        noise = (drawn * deviation(name, output)).to(output.dtype)
        added[name] = noise.requires_grad_() if learns else noise
        return output + noise

    handles = [layer_of(model, name).register_forward_hook(partial(add, name)) for name in names]
    with removed_after(handles):
        yield added


def layer_of(model: nn.Module, name: str) -> nn.Module:
    """Return the layer of this name itself, without the block behind it."""
    module = model.get_submodule(name)
    return module.layer if isinstance(module, Followed) else module


def of_spread(spread: Mapping[str, float], strength: Tensor | float) -> Deviation:
    """Return the deviations of hardware noise: so many times those of the clean outputs."""
    return lambda name, _output: strength * spread[name]


def spread_of(
    model: nn.Module, samples: Samples, names: tuple[str, ...], *, name: str
) -> tuple[dict[str, float], Cost]:
    """Return the deviation of each layer's clean outputs, over all its units and places, and what it took."""
    started = time.perf_counter()
    sums = {each: torch.zeros(3, dtype=torch.float64) for each in names}  # count, sum, sum of squares

    def look(batch: Batch) -> None:
        with read_outputs(model, list(names)) as seen:
            model(batch.inputs)
        for each, output in seen.items():
            values = output.double()
            found = [torch.tensor(float(values.numel())), values.sum().cpu(), values.square().sum().cpu()]
            sums[each] += torch.stack(found)

    with in_eval_mode(model), torch.no_grad():
        for _ in looked_at(samples, look, size=AT_ONCE, name=name):
            pass
    spread = {
        each: float((square / count - (total / count).square()).clamp_min(0).sqrt())
        for each, (count, total, square) in sums.items()
    }
    flops = len(samples) * forward(model, next(samples.batches(2)).inputs)
    cost = Cost(seconds=time.perf_counter() - started, samples_seen=len(samples), flops=flops)
    return spread, cost.as_stage(name)
