"""What linear and convolution layers read, summed up: the second moments of their inputs, or patches."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from unchaff.nets.hooks import removed_after
from unchaff.nets.taps import LAYERS, find_layers


def projectable(model: nn.Module, example: Tensor) -> list[str]:
    """Return the names of the linear and convolution layers that run and have a weight of their own."""
    found = [layer for layer in find_layers(model, example) if not (layer.is_whole or layer.is_tied)]
    return [layer.name for layer in found if _learns(model.get_submodule(layer.name))]


def _learns(module: nn.Module) -> bool:
    weight = dict(module.named_parameters(recurse=False)).get("weight")
    return isinstance(module, LAYERS) and weight is not None and weight.requires_grad


def read_by(module: nn.Module, inputs: Tensor) -> Float[Tensor, "groups width positions"]:
    """Return what the weight of a layer is multiplied with: inputs, or patches for a convolution.

    The width is that of one row of the flattened weight; a grouped convolution reads each group apart.
    """
    if isinstance(module, nn.Conv1d | nn.Conv2d):
        return _patches(module, inputs)
    return inputs.reshape(-1, inputs.shape[-1]).T[None]


def _patches(module: nn.Conv1d | nn.Conv2d, inputs: Tensor) -> Tensor:
    mode = "constant" if module.padding_mode == "zeros" else module.padding_mode
    padded = functional.pad(inputs, module._reversed_padding_repeated_twice, mode=mode)
    kernel, stride, dilation = (tuple(each) for each in (module.kernel_size, module.stride, module.dilation))
    if isinstance(module, nn.Conv1d):
        padded, kernel, stride, dilation = padded[:, :, None], (1, *kernel), (1, *stride), (1, *dilation)
    rows = functional.unfold(
        padded, kernel, dilation=dilation, stride=stride
    )  # (b, channels * kernel, places)
    groups = module.groups
    return rows.unflatten(1, (groups, -1)).permute(1, 2, 0, 3).flatten(2)


@dataclass
class Moments:
    """Second moments (groups, width, width) by layer, and the operations they took."""

    sums: dict[str, Tensor] = field(default_factory=dict)
    flops: float = 0.0

    def __add__(self, other: "Moments") -> "Moments":
        sums = {name: self.sums[name] + each if self.sums else each for name, each in other.sums.items()}
        return Moments(sums, self.flops + other.flops)

    def note(self, name: str, module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        """Add what a layer reads."""
        read = read_by(module, inputs[0].detach().float())
        found = (read @ read.mT).cpu().double()
        self.sums[name] = self.sums[name] + found if name in self.sums else found
        self.flops += 2.0 * found.numel() * read.shape[2]


@contextmanager
def summed(model: nn.Module, names: list[str]) -> Iterator[Moments]:
    """Add up the second moments of what each layer reads while the network runs; hooks go afterwards."""
    moments = Moments()
    handles = [
        model.get_submodule(name).register_forward_pre_hook(partial(moments.note, name)) for name in names
    ]
    with removed_after(handles):
        yield moments


def scaled_to(
    weight: Tensor, basis: Float[Tensor, "groups width width"], scale: Float[Tensor, "groups width"]
) -> Tensor:
    """Return the weight with each direction of what it reads multiplied by its scale: W U diag(s) U^T.

    Written as what is taken off, so that a scale of 1 everywhere leaves every bit as it was.
    """
    groups, width = scale.shape
    rows = weight.detach().double().cpu().reshape(groups, -1, width)
    taken = ((rows @ basis) * (1 - scale)[:, None]) @ basis.mT
    return (rows - taken).reshape(weight.shape).to(weight)
