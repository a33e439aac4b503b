"""Learn from the kept samples, and unlearn the rejected ones with a small weight."""

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from unchaff.attribute.readout import Readout
from unchaff.errors import ConfigError
from unchaff.interfaces import Attributor, Partitioner
from unchaff.methods.divided import divided
from unchaff.partition.transition import Transition
from unchaff.records import Observed, Outcome, Trained
from unchaff.samples import Batch
from unchaff.streams import Streams
from unchaff.train.loop import fit
from unchaff.train.optimizers import Sgd
from unchaff.train.phases import Phase


@dataclass(frozen=True, kw_only=True)
class NegGradPlus:
    """Fine-tuning on (1 - forget) times the mean loss of the kept less forget times that of the rejected.

    Source: Kurmanji et al., arXiv 2302.09880, section 4, with the settings of their code for confused
    classes. There each step takes a batch of either part; here one batch holds both, in the proportions
    of the data, and each sample has the weight that makes the expected gradient the same.
    """

    attribute: Attributor = field(default_factory=Readout)
    partition: Partitioner = field(default_factory=Transition)
    forget: float = 0.05  # weight of the rejected, in [0, 1); their code: 0.05 small, 0.0001 large
    epochs: int = 10
    lr: float = 0.01
    momentum: float = 0.0
    weight_decay: float = 0.0
    batch_size: int = 128
    augment: bool = False
    cites: ClassVar[tuple[str, ...]] = ("kurmanji2023towards",)

    def __post_init__(self) -> None:
        if not 0 <= self.forget < 1:
            raise ConfigError(f"forget must be in [0, 1), got {self.forget}. 0 only learns from the kept.")
        if self.epochs < 1:
            raise ConfigError(f"epochs must be at least 1, got {self.epochs}. The published code takes 10.")

    def __call__(self, trained: Trained, observed: Observed, *, streams: Streams) -> Outcome:
        """Fine-tune a copy."""
        parts = divided(self, trained, observed, streams=streams)
        if parts.is_whole:
            return parts.untouched(trained)
        kept = parts.split.kept.numpy()
        weights = np.where(kept, (1 - self.forget) / kept.sum(), -self.forget / (~kept).sum())
        shown = np.flatnonzero(weights)  # what has no weight is not looked at
        samples = observed.train.at(shown)
        size = min(self.batch_size, len(samples))
        phase = Phase(
            steps=self.epochs * max(1, len(samples) // size),
            lr=lambda _: self.lr,
            batch_size=size,
            optimizer=Sgd(momentum=self.momentum, weight_decay=self.weight_decay),
            augment=self.augment,
            loss=Signed(torch.from_numpy(weights[shown] * len(shown)).float().to(samples.device)),
        )
        fitted = fit(trained.model, samples, phase, streams=streams.fork("neggrad"), name="unlearn")
        return parts.outcome(fitted.model, fitted.cost, parts.split.reason)


@dataclass(frozen=True)
class Signed:
    """Cross-entropy of the given label, each sample times its weight, which may be below 0."""

    weights: Float[Tensor, " n"]  # by row

    def __call__(self, outputs: Tensor, batch: Batch) -> Float[Tensor, " b"]:
        """Return the weighted loss of each sample, in nats."""
        loss = functional.cross_entropy(outputs.float(), batch.labels, reduction="none")
        return loss * self.weights[torch.from_numpy(batch.rows).to(self.weights.device)]
