"""A stretch of training, written down: steps, rate, optimizer and what may learn."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import cos, pi
from typing import Literal, Protocol, runtime_checkable

import torch
from torch import Tensor

from unchaff.samples import Batch
from unchaff.tasks import CLASSIFICATION, Task
from unchaff.train.augment import REACH
from unchaff.train.optimizers import Optimizes, Sgd


@dataclass(frozen=True, kw_only=True)
class Cosine:
    """Learning rate: a straight rise, then half a cosine to zero, over `steps` optimizer steps."""

    steps: int
    peak: float
    warmup: float = 0.2  # share of the steps in which the rate rises

    def __call__(self, step: int) -> float:
        rise = max(1.0, self.warmup * self.steps)
        if step < rise:
            return self.peak * (step + 1) / rise
        done = min(1.0, (step + 1 - rise) / max(1.0, self.steps - rise))
        return self.peak * 0.5 * (1 + cos(pi * done))


Loss = Callable[[Tensor, Batch], Tensor]  # outputs (b, classes) and their batch -> loss of each sample (b)
Tagged = tuple[Tensor, Tensor | None]  # inputs, and the tags of their words


@runtime_checkable
class Spoils(Protocol):
    """Makes inputs worse whose labels stay right; tags go where their words go."""

    def __call__(self, inputs: Tensor, tags: Tensor | None, generator: torch.Generator) -> Tagged:
        """Return worse inputs and their tags; neither argument is modified."""
        ...


# As it is, changed as `augment` does, changed more boldly; or the view before it, made worse.
View = Literal["plain", "weak", "strong"] | Spoils


@dataclass(frozen=True, kw_only=True)
class Phase:
    """A stretch of training on one set of samples."""

    steps: int
    lr: Callable[[int], float]  # by the step counted from `first_step`
    first_step: int = 0  # where this phase lies on the schedule
    batch_size: int = 128
    optimizer: Optimizes = field(default_factory=Sgd)
    augment: bool = True
    views: tuple[View, ...] = ()  # of each sample, in one batch; the loss gets all their outputs
    heeds: tuple[float, ...] = ()  # how much the tags of each view count; none: they share 1 evenly
    side: int | None = None  # side of the pictures; None: full size
    reach: float = REACH  # how far crops move, as a share of the side
    average: float | None = None  # decay of the running mean of the weights, None: none is kept
    masks: Mapping[str, Tensor] = field(default_factory=dict)  # by parameter: held at zero where False
    trains: tuple[str, ...] | None = None  # modules that learn, by name, all else as in use; None: all
    holds: tuple[str, ...] = ()  # modules whose weights stay; their statistics follow the data
    task: Task = CLASSIFICATION
    loss: Loss | None = None  # None: that of the task on the given labels
    beside: float = 0.0  # operations of the loss at each step, where they count beside those of the network
