"""A student that disobeys its teacher on the rejected samples, and follows it on the kept."""

from dataclasses import dataclass, field
from typing import ClassVar

from torch import nn

from unchaff.attribute.readout import Readout
from unchaff.errors import ConfigError
from unchaff.interfaces import Attributor, Partitioner
from unchaff.methods.divided import divided
from unchaff.partition.transition import Transition
from unchaff.records import Observed, Outcome, Trained
from unchaff.samples import Samples
from unchaff.streams import Streams
from unchaff.train.loop import Fitted, fit
from unchaff.train.optimizers import Sgd
from unchaff.train.passes import logits_of
from unchaff.train.phases import Phase
from unchaff.train.targets import Distilled


@dataclass(frozen=True, kw_only=True)
class Scrub:
    """Epochs away from the teacher on the rejected part in turn with epochs on the kept part.

    The teacher is the finished network, frozen. A max epoch raises the divergence from it on the rejected;
    a min epoch lowers `gamma` times the cross-entropy plus `alpha` times the divergence on the kept. The
    first `max_epochs` turns have both, and only the min epochs go on.

    Source: Kurmanji et al., arXiv 2302.09880, equations 3 and 4, with the settings of their code for
    confused classes. We begin each turn with a fresh optimizer, and momentum is Nesterov's.
    """

    attribute: Attributor = field(default_factory=Readout)
    partition: Partitioner = field(default_factory=Transition)
    gamma: float = 1.0  # weight of the cross-entropy on the kept
    alpha: float = 0.01  # weight of the divergence on the kept
    temperature: float = 2.0
    max_epochs: int = 2  # on the rejected; 0: none, which leaves fine-tuning on the kept
    epochs: int = 10  # on the kept
    lr: float = 5e-4
    momentum: float = 0.9
    weight_decay: float = 5e-4
    decay_after: int = 7  # epochs with the full rate; a tenth of it from then on
    batch_size: int = 32
    augment: bool = False
    cites: ClassVar[tuple[str, ...]] = ("kurmanji2023towards",)

    def __post_init__(self) -> None:
        if not 0 <= self.max_epochs <= self.epochs or self.epochs < 1:
            raise ConfigError(
                f"max_epochs must be in [0, epochs] and epochs at least 1, got {self.max_epochs} and "
                f"{self.epochs}. The published code takes 2 and 10."
            )
        if self.temperature <= 0:
            raise ConfigError(f"temperature must be above 0, got {self.temperature}. 1 is the plain softmax.")

    def __call__(self, trained: Trained, observed: Observed, *, streams: Streams) -> Outcome:
        """Teach a copy."""
        parts = divided(self, trained, observed, streams=streams)
        if parts.is_whole:
            return parts.untouched(trained)
        kept, rejected = parts.kept, parts.rejected
        taught = [logits_of(trained.model, each, name="teacher") for each in (kept, rejected)]
        follow = Distilled(taught[0].rows, self.temperature, own=self.gamma, divergence=self.alpha)
        disobey = Distilled(taught[1].rows, self.temperature, own=0.0, divergence=-1.0)
        model, cost = trained.model, taught[0].cost + taught[1].cost
        turns = max(1, self.max_epochs)
        for turn in range(turns):
            here = streams.fork(f"turn {turn}")
            if self.max_epochs:
                fitted = self._epochs(model, rejected, disobey, (turn, turn + 1), streams=here.fork("max"))
                model, cost = fitted.model, cost + fitted.cost
            span = (turn, turn + 1 if turn + 1 < turns else self.epochs)
            fitted = self._epochs(model, kept, follow, span, streams=here.fork("min"))
            model, cost = fitted.model, cost + fitted.cost
        return parts.outcome(model, cost, parts.split.reason)

    def _epochs(
        self, model: nn.Module, samples: Samples, loss: Distilled, span: tuple[int, int], *, streams: Streams
    ) -> Fitted:
        """Learn from the first epoch of the span to before its end."""
        first, end = span
        size = min(self.batch_size, len(samples))
        steps = len(samples) // size  # an epoch
        phase = Phase(
            steps=(end - first) * steps,
            lr=lambda step: self.lr * (0.1 if first + step // steps >= self.decay_after else 1.0),
            batch_size=size,
            optimizer=Sgd(momentum=self.momentum, weight_decay=self.weight_decay),
            augment=self.augment,
            loss=loss,
        )
        return fit(model, samples, phase, streams=streams, name="max" if loss.divergence < 0 else "min")
