"""Small blocks behind layers of a network, which take noise off what the layer returned."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from unchaff.copies import copied
from unchaff.errors import ModelError
from unchaff.nets.taps import LAYERS

BLOCKS = "denoising blocks"  # among the modifications of an outcome
DRAWING = "denoising blocks that draw"  # the same, where they answer at random
MARK = ".block.scale"  # ends the name of one weight of each block


@dataclass(frozen=True, kw_only=True)
class Make:
    """How a block is made."""

    width: int  # of the bottleneck, in units; 0: none
    own: bool = (
        False  # beside it, a map of each unit's own outputs: 3 wide, or one factor behind a linear layer
    )
    draws: bool = (
        False  # take off a draw of the noise, as the hardware of the paper does, instead of its mean
    )


class Denoising(nn.Module):
    """Estimate the noise on the outputs of a layer, and take it off; at first the identity.

    A bottleneck of convolutions 1, 3 and 1 wide (of linear layers behind a linear one) says the mean and
    the log-variance of the noise, in units of the layer's clean deviation. A block without one has a map of
    each unit's own outputs, and one number for the variance.

    Source: Azizi et al., arXiv 2409.18553 (mean and variance, bottleneck); all else is ours.
    """

    scale: Tensor  # () deviation of the layer's clean outputs
    code: nn.Module | None

    def __init__(self, layer: nn.Module, make: Make) -> None:
        super().__init__()
        units, width = len(layer.weight), make.width  # type: ignore[arg-type]  # a tensor
        self.draws = make.draws
        self.code = self.mean = self.own = None
        self.spread: nn.Module = Level()  # log of the variance
        if width:
            self.code = nn.Sequential(
                _map(layer, units, width, 1), nn.ReLU(), _map(layer, width, width, 3), nn.ReLU()
            )
            self.mean = _map(layer, width, units, 1)
            self.spread = _map(layer, width, units, 1)
        if make.own:
            self.own = _each(layer, units)
        self.register_buffer("scale", torch.ones(()))
        for part in (self.mean, self.spread, self.own):
            for weight in () if part is None else part.parameters():
                nn.init.zeros_(weight)

    def forward(self, noisy: Tensor) -> Tensor:
        """Return the outputs of the layer without the noise."""
        scaled = noisy / self.scale
        code = scaled if self.code is None else self.code(scaled)
        noise = torch.zeros_like(noisy)
        for part, given in ((self.mean, code), (self.own, scaled)):
            if part is not None:
                noise = noise + part(given)
        if self.draws:
            noise = noise + (0.5 * self.spread(code)).exp() * torch.randn_like(noise)
        return noisy - self.scale * noise


class Followed(nn.Module):
    """A layer and the block behind it."""

    def __init__(self, layer: nn.Module, block: nn.Module) -> None:
        super().__init__()
        self.layer = layer
        self.block = block

    def forward(self, inputs: Tensor) -> Tensor:
        return self.block(self.layer(inputs))


def is_in_block(model: nn.Module, name: str) -> bool:
    """Whether the module of this name is part of a block."""
    parts = name.split(".")
    return any(
        part == "block" and isinstance(model.get_submodule(".".join(parts[:place])), Followed)
        for place, part in enumerate(parts)
    )


def with_blocks(model: nn.Module, blocks: Mapping[str, Make]) -> nn.Module:
    """Return a copy with a fresh block behind each layer named, drawn from the global generator.

    Raises:
        ModelError: there is no such linear or convolution layer.
    """
    longer = copied(model)
    modules = dict(longer.named_modules())
    for name, make in blocks.items():
        layer = modules.get(name)
        if layer is longer or not isinstance(layer, LAYERS):
            known = [each for each, module in modules.items() if isinstance(module, LAYERS)]
            raise ModelError(
                f"The network has no linear or convolution layer {name!r} inside, so no block can follow it. "
                f"Layers: {', '.join(known)}."
            )
        block = Denoising(layer, make).to(layer.weight.device)
        parent, _, child = name.rpartition(".")
        setattr(modules[parent], child, Followed(layer, block).train(layer.training))
    return longer


def blocks_in(state: Mapping[str, Tensor], *, draws: bool = False) -> dict[str, Make]:
    """Return how the block behind each layer is made, read from the weights of a network with blocks."""
    found = {}
    for name in (name.removesuffix(MARK) for name in state if name.endswith(MARK)):
        first, own = state.get(f"{name}.block.code.0.weight"), f"{name}.block.own.weight" in state
        width = 0 if first is None or first.dim() == 0 or first.numel() == 0 else len(first)
        if width or own:
            found[name] = Make(width=width, own=own, draws=draws)
    return found


def without_blocks(state: Mapping[str, Tensor], names: Collection[str]) -> dict[str, Tensor]:
    """Return the weights of the network these blocks were put into, under their own names."""
    plain = {}
    for name, each in state.items():
        owner = next(
            (owner for owner in names if name.startswith((f"{owner}.layer.", f"{owner}.block."))), None
        )
        if owner is None:
            plain[name] = each
        elif name.startswith(f"{owner}.layer."):
            plain[f"{owner}.{name.removeprefix(f'{owner}.layer.')}"] = each
    return plain


def _map(layer: nn.Module, inputs: int, outputs: int, side: int) -> nn.Module:
    """Return a linear map of the kind of a layer that keeps the size of what it reads."""
    if isinstance(layer, nn.Linear):
        return nn.Linear(inputs, outputs)
    kind = nn.Conv2d if isinstance(layer, nn.Conv2d) else nn.Conv1d
    return kind(inputs, outputs, side, padding=side // 2)


class Level(nn.Module):
    """One number, whatever comes."""

    def __init__(self) -> None:
        super().__init__()
        self.level = nn.Parameter(torch.zeros(()))

    def forward(self, inputs: Tensor) -> Tensor:
        return self.level + torch.zeros_like(inputs)


class Factors(nn.Module):
    """One factor for each unit, and a number added to it, on the last axis."""

    def __init__(self, units: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(units))
        self.bias = nn.Parameter(torch.zeros(units))

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs * self.weight + self.bias


def _each(layer: nn.Module, units: int) -> nn.Module:
    """Return a map of each unit by itself, of the kind of a layer."""
    if isinstance(layer, nn.Linear):
        return Factors(units)
    kind = nn.Conv2d if isinstance(layer, nn.Conv2d) else nn.Conv1d
    return kind(units, units, 3, padding=1, groups=units)
