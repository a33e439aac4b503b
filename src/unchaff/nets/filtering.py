"""A network that takes foreign spans out of its inputs before it answers."""

from collections.abc import Mapping

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from unchaff.copies import copied
from unchaff.errors import ModelError
from unchaff.nets.foreignness import Foreignness
from unchaff.nets.hooks import ended_before, in_eval_mode, read_inputs
from unchaff.nets.spans import blocks, bridged, cells, closed_up, covered, extent, filled

FILTERED = "input filter reading"  # among the modifications of an outcome: then kind of input and layer
AT_ONCE = 64  # inputs
LAYER, PIXELS = 1.0, 3.0  # bounds of distances: few features of pixels say much, many of a layer little each
BESIDE = 2  # places of the layer, around a block, in which its span is looked for
KINDS = ("image", "audio", "text")


class SpanFilter(nn.Module):
    """Finds spans of an input whose embeddings lie far from the usual ones, and takes them out.

    Where a span is, the layer `tap` of the network says; where it ends, the pixels or frames themselves.
    Everything it knows is in its buffers. It holds no network: that of the one given is read.
    """

    sides: Tensor  # of the blocks, in cells
    middle: Tensor  # of the highest score in clean inputs, one for each side
    spread: Tensor
    threshold: Tensor  # in spreads
    settings: Tensor  # rounds, pad

    def __init__(
        self, kind: str, tap: str, layer: Foreignness, pixels: Foreignness | None, *, sides: int = 0
    ) -> None:
        """Begin without blocks and without a threshold; `pixels` is for pictures and sound."""
        super().__init__()
        self.kind, self.tap, self.layer, self.pixels = kind, tap, layer, pixels
        self.register_buffer("sides", torch.zeros(sides, dtype=torch.int64))
        self.register_buffer("middle", torch.zeros(sides))
        self.register_buffer("spread", torch.zeros(sides))
        self.register_buffer("threshold", torch.zeros(()))
        self.register_buffer("settings", torch.zeros(2, dtype=torch.int64))

    def forward(self, network: nn.Module, inputs: Tensor) -> Tensor:
        """Return the inputs without foreign spans."""
        return torch.cat([self._cleaned(network, some) for some in inputs.split(AT_ONCE)])

    def scores(self, network: nn.Module, inputs: Tensor) -> Float[Tensor, "b rows columns"]:
        """Return how foreign each cell of the inputs is; larger is more foreign, NaN holds no word."""
        return self.layer.centred(self.distances(network, inputs))

    def distances(self, network: nn.Module, inputs: Tensor) -> Float[Tensor, "b rows columns"]:
        """Return the relative distance of each cell, within the width of the embedding."""
        return torch.cat([self._measured(network, some)[0] for some in inputs.split(AT_ONCE)])

    def found(self, scores: Float[Tensor, "b rows columns"]) -> list[Tensor]:
        """Return how foreign each block is, in deviations of the highest in clean inputs."""
        found = blocks(scores, tuple(self.sides.tolist()))
        return [(each - self.middle[place]) / self.spread[place] for place, each in enumerate(found)]

    @torch.no_grad()
    def mask(self, network: nn.Module, inputs: Tensor) -> Bool[Tensor, " b *shape"]:
        """Return which places of the inputs would be taken out in the first round; at most half of each."""
        distances, read = self._measured(network, inputs)
        return self._worst(inputs, self.layer.centred(distances), read)

    def _cleaned(self, network: nn.Module, inputs: Tensor) -> Tensor:
        gone, cleaned = None, inputs
        for _ in range(int(self.settings[0])):
            worst = self.mask(network, cleaned)
            new = worst if gone is None or self.kind == "text" else worst | gone
            few = new.flatten(1).float().mean(1) <= 0.5
            new = torch.where(few.view(-1, *(1,) * (new.dim() - 1)), new, False if gone is None else gone)
            if not worst.any():
                break
            if self.kind == "text":
                cleaned, gone = closed_up(cleaned, new & worst, int(self.settings[1])), None
            else:
                mend = bridged if self.kind == "audio" else filled
                cleaned, gone = mend(inputs, new), new
        return cleaned

    def _measured(self, network: nn.Module, inputs: Tensor) -> tuple[Tensor, tuple[int, int]]:
        with (
            torch.no_grad(),
            in_eval_mode(network),
            read_inputs(network, [self.tap]) as seen,
            ended_before(network, self.tap),
        ):
            network(inputs)
        read = seen[self.tap]
        words = inputs != self.settings[1] if self.kind == "text" else None
        scores = self.layer.distances(cells(self.kind, read, words))
        return scores, (read.shape[-2] if read.dim() > 3 else 1, read.shape[-1])

    def _worst(self, inputs: Tensor, scores: Tensor, read: tuple[int, int]) -> Tensor:
        """Return the most foreign block of each input, where it is beyond the threshold."""
        shape = inputs.shape[1:] if self.kind == "text" else inputs.shape[2:]
        mask = torch.zeros(len(inputs), *shape, dtype=torch.bool, device=inputs.device)
        best = self.threshold.expand(len(inputs)).clone()
        chosen: list[tuple[int, int, int] | None] = [None] * len(inputs)
        found, sides = self.found(scores), self.sides.tolist()
        for side, each in zip(sides, found, strict=False):
            value, place = each.flatten(1).max(1)
            for row in (value > best).nonzero()[:, 0].tolist():
                chosen[row] = (*divmod(int(place[row]), each.shape[-1]), side)
            best = torch.maximum(best, value)
        reach = 0 if self.kind == "text" else 1  # a cell covers so many places more than one
        for row, block in enumerate(chosen):
            if block is None:
                continue
            top, left, side = block
            end = -1 if self.kind != "image" else top + side + reach
            rows, columns = covered(tuple(inputs.shape[1:]), read, (top, end, left, left + side + reach))
            if self.pixels is not None:
                within = self.pixels.centred(self.pixels.distances(cells(self.kind, inputs[row : row + 1])))
                beside = (-(-BESIDE * shape[0] // read[0]), -(-BESIDE * shape[1] // read[1]))
                rows, columns = extent(within[0], (rows, columns), beside)
            mask[(row, columns) if self.kind == "text" else (row, rows, columns)] = True
        if self.kind == "text":  # what is padding already is not foreign, and something stays
            mask &= inputs != self.settings[1]
            whole = (mask | (inputs == self.settings[1])).all(1)
            mask[whole] = False
        return mask


class Filtered(nn.Module):
    """A network behind a filter of its inputs."""

    def __init__(self, network: nn.Module, filtering: SpanFilter) -> None:
        super().__init__()
        self.network = network
        self.filter = filtering

    def forward(self, inputs: Tensor) -> Tensor:
        return self.network(self.filter(self.network, inputs))


def said_of(filtering: SpanFilter) -> str:
    """Return what goes among the modifications of an outcome."""
    return f"{FILTERED} {filtering.kind} {filtering.tap}"


def without_filter(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the weights of the network alone, under its own names."""
    return {
        name.removeprefix("network."): each for name, each in state.items() if name.startswith("network.")
    }


def with_filter(model: nn.Module, said: str, state: Mapping[str, Tensor]) -> Filtered:
    """Return the network behind an empty filter of the size that these weights have.

    Raises:
        ModelError: they hold no filter, or the network has no such layer.
    """
    kind, _, tap = said.removeprefix(f"{FILTERED} ").partition(" ")
    try:
        layer = Foreignness.like(state, "filter.layer.", reach=LAYER)
        has_pixels = any(name.startswith("filter.pixels.") for name in state)
        pixels = Foreignness.like(state, "filter.pixels.", reach=PIXELS) if has_pixels else None
        sides = len(state["filter.sides"])
    except KeyError:
        kind = ""
    if kind not in KINDS or tap not in dict(model.named_modules()):
        raise ModelError(
            f"The weights hold no filter of inputs that reads the layer {tap!r} of this network. Give the "
            "run folder as it was written."
        )
    return Filtered(model, SpanFilter(kind, tap, layer, pixels, sides=sides))


def filtered(model: nn.Module, filtering: SpanFilter) -> Filtered:
    """Return a copy of the network behind the filter, in evaluation mode."""
    return Filtered(copied(model), filtering).eval()
