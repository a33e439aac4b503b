"""Small blocks behind some layers of the finished network, which undo the noise of analogue hardware."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from unchaff.errors import ConfigError, ModelError, NeedsError
from unchaff.nets.analogue import analogue_layers, noisy, of_spread, spread_of
from unchaff.nets.denoising import BLOCKS, DRAWING, Denoising, Make, with_blocks
from unchaff.nets.flops import forward
from unchaff.nets.hooks import in_eval_mode, read_outputs
from unchaff.nets.taps import Layer
from unchaff.records import Cost, Observed, Outcome, Trained
from unchaff.samples import Batch, Samples
from unchaff.streams import Streams
from unchaff.train.loop import fit
from unchaff.train.optimizers import Adam
from unchaff.train.passes import logits_of
from unchaff.train.phases import Cosine, Phase
from unchaff.train.tutor import Tutor

ENOUGH = 2048  # samples to measure clean outputs on, and gradients


@dataclass(frozen=True, kw_only=True)
class DenoiseBlocks:
    """Small blocks learn to undo the noise of layers; the network itself stays as it is, bit by bit.

    Where the loss is most sensitive to the noise of a layer, a block follows it first, until the parameters
    that may be added are used up.

    Source: Azizi et al., arXiv 2409.18553: a block that predicts mean and variance of the noise, a frozen
    network, places by gradient norm under a budget of parameters. Widths, loss, noise and the number of
    epochs are ours; the stop at a small validation gain is left out.
    """

    strength: float = 0.5  # largest deviation of the noise trained on, in those of a layer's clean outputs
    weakest: float = 0.7  # and the smallest, as a share of that; one is drawn for each batch, all alike
    share: float = 0.03  # of the parameters of the network, that may be added at most
    reduction: int = (
        4  # units of a layer for each of its block's bottleneck; more where the rest is too little
    )
    placement: Literal["gradient", "random"] = "gradient"  # random: the control
    own: bool = True  # beside the bottleneck, a map of each unit's own outputs, which can damp all of them
    draws: bool = False  # take off a draw of the noise (rho = 1 in the paper's hardware), or its mean
    weight: float = 1.0  # of the likelihood of the noise, beside the cross-entropy
    epochs: int = 30
    lr: float = 2e-2  # peak
    labels: Literal["given", "own"] = "given"  # own: the classes the clean network names
    layers: tuple[str, ...] = ()  # that are analogue, by name; none: all linear and convolution layers
    augment: bool = True
    cites: ClassVar[tuple[str, ...]] = ("azizi2024efficient",)

    def __post_init__(self) -> None:
        if not (0 < self.strength <= 10 and 0 < self.share <= 10):
            raise ConfigError(
                f"strength and share must be in (0, 10], got {self.strength} and {self.share}. For 2 % more "
                "parameters, share is 0.02."
            )
        if not 0 <= self.weakest <= 1:
            raise ConfigError(f"weakest must be in [0, 1], got {self.weakest}. It is a share of strength.")
        if self.placement not in ("gradient", "random") or self.labels not in ("given", "own"):
            raise ConfigError(
                f"placement must be gradient or random and labels given or own, got {self.placement!r} and "
                f"{self.labels!r}."
            )
        if self.reduction < 1 or self.epochs < 1:
            raise ConfigError(
                f"reduction and epochs must be at least 1, got {self.reduction} and {self.epochs}."
            )

    def __call__(self, trained: Trained, observed: Observed, *, streams: Streams) -> Outcome:
        """Insert and train the blocks."""
        streams, samples = streams.fork("denoise-blocks"), observed.train
        if any(isinstance(each, Denoising) for each in trained.model.modules()):
            raise NeedsError("The network has denoising blocks already. Give the network without them.")
        layers = self._analogue(trained.model, next(samples.batches(2)).inputs)
        budget = self.share * sum(each.numel() for each in trained.model.parameters())
        candidates = [each for each in layers if not each.is_output and each.by_sample and not each.is_tied]
        self._check_room(trained.model, candidates, budget)
        some = samples.at(streams.subset("measure", samples.ids, ENOUGH))
        spread, cost = spread_of(trained.model, some, tuple(each.name for each in layers), name="measure")
        learnt = samples
        if self.labels == "own":
            said = logits_of(trained.model, samples, name="own labels")
            learnt, cost = samples.relabel(said.rows[:, : samples.num_classes].argmax(1)), cost + said.cost
        noise = Noise(spread, self, generator=streams("noise", samples.device))
        order, ordering = self._order(
            trained.model, candidates, learnt.select(some.ids), noise, streams=streams
        )
        units = {each.name: each.units for each in candidates}
        blocks = self._blocks(trained.model, {name: units[name] for name in order}, budget)
        with streams.forked_global("blocks"):
            longer = with_blocks(trained.model, blocks)
        for name in blocks:
            _block(longer, name).scale.fill_(max(spread[name], 1e-6))
        learner = Hardware(longer, tuple(blocks), noise)
        phase = self._phase(trained, learnt, tuple(f"model.{name}.block" for name in blocks), noise)
        fitted = fit(learner, learnt, phase, streams=streams, name="blocks", watcher=noise)
        return Outcome(
            model=fitted.model.get_submodule("model").eval(),
            cost=cost + ordering + fitted.cost,
            modifications=(DRAWING if self.draws else BLOCKS,),
            notes=(_said(trained.model, tuple(blocks), longer),),
        )

    def _analogue(self, model: nn.Module, example: Tensor) -> list[Layer]:
        """Return the noisy layers.

        Raises:
            ModelError: a name is not that of such a layer.
        """
        found = {each.name: each for each in analogue_layers(model, example)}
        unknown = [name for name in self.layers if name not in found]
        if unknown:
            raise ModelError(f"{unknown[0]!r} is no linear or convolution layer. Layers: {', '.join(found)}.")
        return [found[name] for name in self.layers or found]

    def _check_room(self, model: nn.Module, candidates: list[Layer], budget: float) -> None:
        least = min(
            (_size(model, each.name, Make(width=0 if self.own else 1, own=self.own)) for each in candidates),
            default=None,
        )
        if least is None:
            raise NeedsError(
                "Denoising blocks follow hidden linear or convolution layers, and the network has none. "
                "Give a network with at least one hidden layer."
            )
        if least > budget:
            raise NeedsError(
                f"The smallest block takes {least:,} parameters, and {self.share:.1%} of the network are "
                f"{budget:,.0f}. Give a larger share."
            )

    def _order(
        self,
        model: nn.Module,
        candidates: list[Layer],
        samples: Samples,
        noise: "Noise",
        *,
        streams: Streams,
    ) -> tuple[list[str], Cost]:
        """Return where a block is worth most, first, and what finding out took."""
        names = [each.name for each in candidates]
        if self.placement == "random":
            return [names[place] for place in streams.per_id("placement", np.array(names)).argsort()], Cost()
        started = time.perf_counter()
        norms = sensitivities(model, tuple(names), samples, noise)
        # Gradients go back to the noise only, not to the weights: about a forward pass more.
        flops = 2 * len(samples) * forward(model, next(samples.batches(2)).inputs)
        cost = Cost(time.perf_counter() - started, len(samples), flops).as_stage("placement")
        return sorted(names, key=lambda name: -norms[name]), cost

    def _blocks(self, model: nn.Module, order: Mapping[str, int], budget: float) -> dict[str, Make]:
        """Return the blocks, by layer and its units.

        First come maps of single units, then bottlenecks, by halves as wide as fits.
        """
        blocks: dict[str, Make] = {}
        sizes = dict.fromkeys(order, 0)

        def put(name: str, width: int) -> bool:
            """Put a block there, if all of them then take no more than the budget."""
            make = Make(width=width, own=self.own, draws=self.draws)
            size = _size(model, name, make)
            if sum(sizes.values()) - sizes[name] + size > budget:
                return False
            blocks[name], sizes[name] = make, size
            return True

        if self.own:
            for name in order:
                put(name, 0)
        for name, units in order.items():
            width = max(1, units // self.reduction)
            while width and not put(name, width):
                width //= 2
        return blocks

    def _phase(self, trained: Trained, samples: Samples, blocks: tuple[str, ...], noise: "Noise") -> Phase:
        size = min(trained.recipe_for(len(samples)).batch_size, len(samples))
        steps = self.epochs * max(1, len(samples) // size)
        return Phase(
            steps=steps,
            lr=Cosine(steps=steps, peak=self.lr, warmup=0.1),
            batch_size=size,
            optimizer=Adam(weight_decay=0.0),
            augment=self.augment,
            trains=blocks,
            loss=noise,
        )


class Noise(Tutor):
    """The noise of the hardware, and what blocks learn under it."""

    def __init__(
        self, spread: Mapping[str, float], method: DenoiseBlocks, *, generator: torch.Generator
    ) -> None:
        super().__init__(generator)
        self.spread, self.drawn = spread, generator
        self.names = tuple(spread)
        self.smallest, self.largest = method.weakest * method.strength, method.strength
        self._weight = method.weight

    def __deepcopy__(self, memo: dict[int, Any]) -> "Noise":
        """Return itself: the copy of the network that is trained runs on the same hardware."""
        return self

    def strength(self) -> Tensor:
        """Return how strong it is for the next batch."""
        drawn = torch.rand((), generator=self.drawn, device=self.drawn.device)
        return self.smallest + (self.largest - self.smallest) * drawn

    def __call__(self, outputs: Tensor, batch: Batch) -> Tensor:
        """Return the cross-entropy plus the negative log-likelihood of the noise, of each sample, in nats."""
        logits, unlikely = outputs[:, :-1].float(), outputs[:, -1].float()
        return functional.cross_entropy(logits, batch.labels, reduction="none") + self._weight * unlikely


class Hardware(nn.Module):
    """A network with blocks on noisy hardware: its logits and, beside them, how unlikely the noise was."""

    def __init__(self, model: nn.Module, names: tuple[str, ...], noise: Noise) -> None:
        super().__init__()
        self.model = model
        self._names, self._noise = names, noise

    def forward(self, inputs: Tensor) -> Tensor:
        noise, model = self._noise, self.model
        parts = [f"{name}.block.{part}" for name in self._names for part in _parts(_block(model, name))]
        deviation = of_spread(noise.spread, noise.strength())
        with read_outputs(model, parts) as seen, noisy(model, noise.names, deviation, noise.drawn) as added:
            logits = model(inputs)
        unlikely = torch.zeros(len(logits), device=logits.device)
        for name in self._names:
            block = _block(model, name)
            said = {part: seen[f"{name}.block.{part}"].float() for part in _parts(block)}
            mean = torch.stack([each for part, each in said.items() if part != "code"]).sum(0)
            spread = block.spread(said.get("code", mean)).float()
            wrong = added[name].float() / block.scale - mean
            each = 0.5 * (spread + wrong.square() * (-spread).exp())
            unlikely = unlikely + each.flatten(1).mean(1) / len(self._names)
        return torch.cat([logits, unlikely[:, None].to(logits.dtype)], dim=1)


def sensitivities(
    model: nn.Module, names: tuple[str, ...], samples: Samples, noise: Noise
) -> dict[str, float]:
    """Return the mean norm of the gradient of the loss by each layer's noisy outputs, over batches.

    Outputs are in units of the layer's clean deviation, as the noise is, and the noise is at its strongest.
    Source: Azizi et al., arXiv 2409.18553; the units are ours, and the norm is that of a whole batch.
    """
    norms = dict.fromkeys(names, 0.0)
    deviation = of_spread(noise.spread, noise.largest)
    with in_eval_mode(model), torch.enable_grad():
        for batch in samples.batches(128):
            with noisy(model, noise.names, deviation, noise.drawn, learns=True) as added:
                loss = functional.cross_entropy(model(batch.inputs).float(), batch.labels)
            slopes = torch.autograd.grad(loss, [added[name] for name in names], allow_unused=True)
            for name, slope in zip(names, slopes, strict=True):
                if slope is not None:  # of a layer that does not reach the logits there is none
                    norms[name] += noise.spread[name] * float(slope.norm()) * len(batch.rows) / len(samples)
    return norms


def _block(model: nn.Module, name: str) -> Denoising:
    return model.get_submodule(f"{name}.block")  # type: ignore[return-value]  # put there by with_blocks


def _parts(block: Denoising) -> list[str]:
    """Return the parts of a block that say its bottleneck and, summed, the mean of the noise."""
    return [part for part in ("code", "mean", "own") if getattr(block, part) is not None]


def _size(model: nn.Module, name: str, make: Make) -> int:
    """Return how many parameters a block behind this layer has."""
    with torch.device("meta"):
        block = Denoising(model.get_submodule(name), make)
    return sum(each.numel() for each in block.parameters())


def _said(plain: nn.Module, names: tuple[str, ...], longer: nn.Module) -> str:
    before, after = (sum(each.numel() for each in model.parameters()) for model in (plain, longer))
    blocks = "A denoising block follows" if len(names) == 1 else "Denoising blocks follow"
    return f"{blocks} {', '.join(names)}: {(after - before) / before:.2%} more parameters."
