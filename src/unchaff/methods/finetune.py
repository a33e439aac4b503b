"""The recipe of fine-tuning: parts of one cosine, cheap small pictures first, full size last."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from unchaff.copies import copied
from unchaff.errors import ConfigError, ModelError
from unchaff.methods.beginning import fresh_copy
from unchaff.nets.flops import count
from unchaff.nets.taps import Layer, find_layers
from unchaff.records import Recipe, Trained
from unchaff.samples import Samples
from unchaff.streams import Streams
from unchaff.train.augment import REACH, smaller
from unchaff.train.loop import Fitted, fit
from unchaff.train.optimizers import optimizer_of
from unchaff.train.phases import Cosine, Loss, Phase
from unchaff.train.still import freeze_others, hold_masks, hold_still
from unchaff.train.tutor import Tutor

FASTER = 3.0  # the rate from new weights, of that of the training
FEW = 100  # steps of learning, below which shrunk weights would not be learned again
LONG = 12.0  # passes over the data from which on crops move further
FURTHER = 1 / 8  # of the side


@dataclass(frozen=True, kw_only=True)
class FineTune:
    """How the network learns again. The whole of it (F-FT), or its last layers only (L-FT)."""

    lr: float | None = None  # peak of the cosine over all parts; None: that of the recipe
    batch_size: int | None = None  # None: half of the batches the network was trained with
    weight_decay: float | None = None  # None: that of the recipe
    shrink: float = 0.6  # weights = shrink * trained + (1 - shrink) * initial; 1: as they are; see `over`
    small: float = 0.75  # side of the small pictures, of the full side
    average: float = 0.99  # decay of the running mean of the weights that re-scoring uses
    last: int | None = None  # learn only so many last layers, the rest frozen; None: all

    def __post_init__(self) -> None:
        if not 0 <= self.shrink <= 1:
            raise ConfigError(
                f"shrink must be in [0, 1], got {self.shrink}. 1 leaves the weights as they are."
            )
        if self.last is not None and self.last < 1:
            raise ConfigError(f"last must be at least 1 layer, got {self.last}. Leave it out to train all.")

    def batches(self, trained: Trained, samples: Samples) -> int:
        """Return the batch size."""
        return self.batch_size or max(2, trained.recipe_for(len(samples)).batch_size // 2)

    def gentle(self) -> "FineTune":
        """Return the same without shrinking: where labels are right there is nothing to forget."""
        return replace(self, shrink=1.0)

    def anew(self, lr: float) -> "FineTune":
        """Return the same from new weights: the old ones hold little but what they memorised."""
        return replace(self, shrink=0.0, lr=self.lr or FASTER * lr)

    def start(self, trained: Trained, *, streams: Streams) -> nn.Module:
        """Return the shrunk and perturbed copy fine-tuning starts from.

        Source: Ash and Adams, arXiv 1910.08475. Skipped for a pretrained start, which it would
        destroy, and where only the last layers learn.
        """
        model = copied(trained.model)
        if trained.pretrained or self.last is not None or self.shrink == 1:
            return model
        fresh = trained.initial or dict(fresh_copy(trained.model, streams=streams).named_parameters())
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if name in fresh and parameter.requires_grad:
                    parameter.mul_(self.shrink).add_(fresh[name].to(parameter), alpha=1 - self.shrink)
        return model


@dataclass(frozen=True)
class Part:
    """A share of the fine-tuning, in operations."""

    share: float
    small: bool = False  # with small pictures
    rescore: bool = False  # look at all samples again afterwards
    held: float = 0.0  # share of the layers, from the input on, whose weights stay: cheaper steps


AT_ONCE = (Part(1.0),)
WITHOUT_LOOKS = (Part(0.65, small=True), Part(0.35, held=0.3))


@dataclass(frozen=True)
class Lesson:
    """What the next part learns from."""

    samples: Samples
    loss: Loss | None = None  # None: that of the task on the labels of these samples


@dataclass
class Schedule:
    """Parts of one cosine, planned in operations, run as optimizer steps."""

    recipe: FineTune
    parts: tuple[Part, ...]
    steps: list[int]
    holds: list[tuple[str, ...]]  # modules whose weights stay, of each part
    batch_size: int
    side: int | None  # of the small pictures
    masks: Mapping[str, Tensor]  # of weights that stay zero
    trained: Trained
    usual: Recipe  # how it was trained: optimizer, rate and decay where the recipe here names none
    trains: tuple[str, ...] | None = None  # modules that learn, by name; None: all
    reach: float = REACH  # how far crops move, as a share of the side
    done: int = 0  # parts that ran

    @classmethod
    def plan(
        cls,
        recipe: FineTune,
        parts: tuple[Part, ...],
        trained: Trained,
        samples: Samples,
        *,
        flops: float,
        masks: Mapping[str, Tensor] | None = None,
    ) -> "Schedule":
        """Divide so many operations among the parts; each gets at least one step."""
        example = next(samples.batches(2)).inputs
        layers = find_layers(trained.model, example)
        side = small_side(trained.model, samples, example, recipe.small)
        learner = copied(trained.model)
        trains = None if recipe.last is None else last_layers(learner, samples, recipe.last)
        if trains is not None:
            freeze_others(learner, trains)
        holds = [named(layers[: int(part.held * len(layers))]) for part in parts]
        little = example if side is None else smaller(example, side)
        prices = [
            _price(learner, held, little if part.small else example)
            for part, held in zip(parts, holds, strict=True)
        ]
        total = sum(part.share for part in parts)
        batch = min(recipe.batches(trained, samples), len(samples))
        steps = [
            max(1, int(flops * part.share / total / (batch * price)))
            for part, price in zip(parts, prices, strict=True)
        ]
        usual = trained.recipe_for(len(samples))
        planned = cls(recipe, parts, steps, holds, batch, side, masks or {}, trained, usual, trains)
        return planned.over(len(samples))

    def over(self, count: int) -> "Schedule":
        """Return the same for so many samples.

        Pictures that come back often are moved further. Weights are not shrunk where they are fewer than
        the samples, for then little was learned by heart, nor where few steps follow.
        """
        passes = sum(self.steps) * self.batch_size / count
        weights = sum(each.numel() for each in self.trained.model.parameters() if each.requires_grad)
        stays = weights < count or sum(self.steps) < FEW
        recipe = self.recipe.gentle() if stays and self.recipe.shrink > 0 else self.recipe
        return replace(self, recipe=recipe, reach=FURTHER if passes >= LONG else REACH)

    def start(self, *, streams: Streams) -> nn.Module:
        """Return the network the first part begins with."""
        model = self.recipe.start(self.trained, streams=streams)
        hold_masks(model, self.masks)
        return model

    @property
    def averages(self) -> bool:
        """Whether the next part keeps a running mean of the weights: for a look at the samples after it."""
        return self.done + 1 < len(self.parts)

    def run(self, model: nn.Module, lesson: Lesson, *, streams: Streams) -> Fitted:
        """Train the next part."""
        part = self.parts[self.done]
        phase = Phase(
            steps=self.steps[self.done],
            lr=Cosine(steps=sum(self.steps), peak=self.recipe.lr or self.usual.lr),
            first_step=sum(self.steps[: self.done]),
            batch_size=self.batch_size,
            optimizer=optimizer_of(self.usual, weight_decay=self.recipe.weight_decay),
            side=self.side if part.small else None,
            reach=self.reach,
            average=self.recipe.average if self.averages else None,
            masks=self.masks,
            trains=self.trains,
            holds=self.holds[self.done],
            task=self.trained.task,
            loss=lesson.loss,
        )
        self.done += 1
        watcher = lesson.loss if isinstance(lesson.loss, Tutor) else None
        return fit(model, lesson.samples, phase, streams=streams.fork(f"part {self.done}"), watcher=watcher)


def last_layers(model: nn.Module, samples: Samples, number: int) -> tuple[str, ...]:
    """Return the names of the last layers, and of the normalisations behind them."""
    return named(find_layers(model, next(samples.batches(2)).inputs)[-number:])


def named(layers: tuple[Layer, ...]) -> tuple[str, ...]:
    """Return the names of layers, and of the normalisations behind them."""
    return tuple(name for layer in layers for name in (layer.name, layer.norm) if name is not None)


def _price(learner: nn.Module, holds: tuple[str, ...], example: Tensor) -> float:
    """Return the operations of learning from one sample with some modules held still."""
    probe = copied(learner)
    hold_still(probe, holds)
    return count(probe, example).training


def small_side(model: nn.Module, samples: Samples, example: Tensor, share: float) -> int | None:
    """Return the side of small pictures in pixels, or None where the network or the kind takes none."""
    if samples.kind.name != "image" or share >= 1 or min(example.shape[-2:]) < 24:
        return None
    side = round(share * example.shape[-1])
    try:
        find_layers(model, smaller(example, side))
    except ModelError:
        return None
    return side
