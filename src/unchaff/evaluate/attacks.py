"""Inputs moved against a network, within a bound per pixel, and how often it is right about them."""

from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from unchaff.errors import ConfigError
from unchaff.evaluate.accuracy import Scores, score_predictions
from unchaff.nets.adapt import logits_of
from unchaff.nets.hooks import in_eval_mode
from unchaff.nets.looking import looked_at
from unchaff.samples import Batch, Samples
from unchaff.streams import Streams


@dataclass(frozen=True, kw_only=True)
class Pixels:
    """How raw pixels in [low, high] became the inputs of a network: (raw - mean) / std per channel."""

    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    low: float = 0.0
    high: float = 1.0

    def step(self, inputs: Tensor, raw: float) -> Tensor:
        """Return what a raw step is in the inputs of each channel."""
        return raw / self._per_channel(self.std, inputs)

    def inside(self, inputs: Tensor) -> Tensor:
        """Return the inputs moved back to where raw pixels are allowed to be."""
        mean, std = self._per_channel(self.mean, inputs), self._per_channel(self.std, inputs)
        return inputs.clamp((self.low - mean) / std, (self.high - mean) / std)

    def _per_channel(self, values: tuple[float, ...], inputs: Tensor) -> Tensor:
        shape = (1, -1) + (1,) * (inputs.dim() - 2)
        return torch.tensor(values, device=inputs.device, dtype=inputs.dtype).reshape(shape)


@dataclass(frozen=True, kw_only=True)
class Attack:
    """Projected gradient ascent of the loss, in the largest raw change of a pixel (L-infinity).

    Source: Madry et al., arXiv 1706.06083, section 2.1 (PGD); Goodfellow et al., arXiv 1412.6572 (FGSM).
    """

    epsilon: float = 8 / 255  # largest raw change of a pixel
    step: float = 2 / 255  # raw
    steps: int = 20
    start: bool = True  # at random within the bound
    pixels: Pixels = Pixels()

    def __post_init__(self) -> None:
        if self.epsilon < 0 or self.step < 0 or self.steps < 1:
            raise ConfigError(
                "epsilon and step must be at least 0 and steps at least 1, got "
                f"{self.epsilon}, {self.step} and {self.steps}."
            )

    def __call__(
        self,
        model: nn.Module,
        inputs: Float[Tensor, "b ..."],
        labels: Int[Tensor, " b"],
        *,
        generator: torch.Generator,
    ) -> Float[Tensor, "b ..."]:
        """Return the moved inputs.

        Args:
            model: as it is in use; no gradient is left in it.
            inputs: prepared, within the allowed range.
            labels: what the network is led away from.
            generator: of the start, on the device of the inputs.
        """
        reach, stride = self.pixels.step(inputs, self.epsilon), self.pixels.step(inputs, self.step)
        moved = inputs.clone()
        if self.start:
            drawn = torch.rand(inputs.shape, generator=generator, device=inputs.device)
            moved = self.pixels.inside(inputs + (2 * drawn - 1) * reach)
        for _ in range(self.steps):
            moved = moved.detach().requires_grad_()
            with torch.enable_grad():
                loss = functional.cross_entropy(logits_of(model(moved)).float(), labels, reduction="sum")
                (slope,) = torch.autograd.grad(loss, moved)
            ahead = moved.detach() + stride * slope.sign()
            moved = self.pixels.inside(inputs + (ahead - inputs).clamp(-reach, reach))
        return moved.detach()


def fgsm(epsilon: float = 8 / 255, *, pixels: Pixels = Pixels()) -> Attack:
    """Return the attack of one whole step, without a random start."""
    return Attack(epsilon=epsilon, step=epsilon, steps=1, start=False, pixels=pixels)


def score_under(
    attack: Attack,
    model: nn.Module,
    samples: Samples,
    *,
    streams: Streams,
    source: nn.Module | None = None,
) -> Scores:
    """Return how well a network predicts the labels of moved inputs.

    Args:
        attack: what moves them.
        model: that predicts.
        samples: with their right labels.
        streams: of random starts.
        source: the network they are moved against; None: the one that predicts.
    """
    generator, attacked = streams("attack", samples.device), model if source is None else source
    work = partial(_predicted, attack, model, attacked, generator)
    with in_eval_mode(model), in_eval_mode(attacked), streams.forked_global("attack"):
        found = list(looked_at(samples, work, size=256, name="attack"))
    return score_predictions(torch.cat(found), samples.labels, samples.class_names)


def _predicted(
    attack: Attack, model: nn.Module, source: nn.Module, generator: torch.Generator, batch: Batch
) -> Int[Tensor, " b"]:
    moved = attack(source, batch.inputs, batch.labels, generator=generator)
    with torch.no_grad():
        return logits_of(model(moved)).argmax(1)
