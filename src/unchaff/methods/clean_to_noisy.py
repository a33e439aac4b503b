"""Train on inputs and on worse copies of them, so that both are embedded alike."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import ClassVar, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from unchaff.errors import ConfigError, NeedsError
from unchaff.methods.anew import checked_budget, phase_for
from unchaff.methods.beginning import beginning
from unchaff.methods.retrain import Retrain
from unchaff.nets.decoding import decoder_for
from unchaff.nets.head import head_of
from unchaff.nets.hooks import read_inputs
from unchaff.records import Observed, Outcome, Trained
from unchaff.samples import Batch, Samples
from unchaff.streams import Streams
from unchaff.tasks import Task
from unchaff.train.domains import Discriminator, coral, mmd, paired
from unchaff.train.initial import full_cost
from unchaff.train.loop import fit
from unchaff.train.spoil import spoiler_of

Distance = Callable[[Tensor, Tensor], Tensor]
DISTANCES: Mapping[str, Distance] = MappingProxyType({"paired": paired, "mmd": mmd, "coral": coral})
ADVERSARIAL = "adversarial"
EXTRA = 2  # columns beside the logits: how far apart, and how badly restored


@dataclass(frozen=True, kw_only=True)
class CleanToNoisy:
    """A whole training in which every input goes through the network as it is and made worse at random.

    The loss is that of the task on both, the distance of their features, and what a small decoder gets wrong
    that restores the input from the feature of the worse one. The decoder is dropped. Where words carry
    tags, these are learned on both too, carried along with their words.

    Source: Wu et al., arXiv 2104.06393, for the goals: both qualities embedded alike, and a generation model
    against low quality. Its equations were not seen and no code exists: all losses, weights and ways to make
    inputs worse are ours.
    """

    noisy: float = 1.0  # weight of the task on worse inputs
    align: float = 0.1  # weight of the distance of the features
    restore: float = 0.1  # weight of what the decoder gets wrong
    distance: Literal["paired", "mmd", "coral", "adversarial"] = "paired"
    most: float = 0.6  # each input is made worse at a rate drawn from 0 to this
    augment: bool = True
    budget: float = 2.2  # operations of everything, as a share of one full training
    cites: ClassVar[tuple[str, ...]] = ("wu2021bridging",)
    anew: ClassVar[bool] = True  # it looks at no finished network

    def __post_init__(self) -> None:
        checked_budget(self.budget)
        if min(self.noisy, self.align, self.restore) < 0:
            raise ConfigError(
                "noisy, align and restore must be at least 0, got "
                f"{self.noisy}, {self.align} and {self.restore}. 0 leaves a part out."
            )
        if not 0 <= self.most <= 1:
            raise ConfigError(f"most must be in [0, 1], got {self.most}. The usual one is 0.6.")
        if self.distance not in (*DISTANCES, ADVERSARIAL):
            allowed = ", ".join((*DISTANCES, ADVERSARIAL))
            raise ConfigError(f"distance must be one of {allowed}, got {self.distance!r}.")

    def __call__(self, trained: Trained, observed: Observed, *, streams: Streams) -> Outcome:
        """Train anew."""
        samples = observed.train
        if self.noisy == self.align == self.restore == 0:
            return Retrain(augment=self.augment, budget=self.budget)(trained, observed, streams=streams)
        spoiler = spoiler_of(samples, self.most, streams)
        if spoiler is None:
            raise NeedsError(
                "clean-to-noisy needs to know what makes an input worse, and of "
                f"{samples.kind} that is not known. Give images, sound, or texts that are read word by word."
            )
        learner = self._learner(trained, samples, streams)
        flops = self.budget * full_cost(trained, samples).flops
        phase = replace(
            phase_for(trained, samples, flops=flops, learner=learner, views=2, augment=self.augment),
            views=("weak" if self.augment else "plain", spoiler),
            heeds=(1.0, self.noisy),
            loss=Bridge(self, trained.task),
        )
        fitted = fit(learner, samples, phase, streams=streams.fork("retrain"), name="train")
        model = fitted.model.get_submodule("model")
        return Outcome(model=model.eval(), cost=fitted.cost)

    def _learner(self, trained: Trained, samples: Samples, streams: Streams) -> "Paired":
        """Return the fresh network, with what only training needs."""
        fresh = beginning(trained, streams=streams)
        if self.align == self.restore == 0:
            return Paired(fresh)
        head = head_of(trained.model, next(samples.batches(2)).inputs)
        with streams.forked_global("decoder"):
            decoder = decoder_for(samples.kind.shape, head.width) if self.restore else None
            apart = Discriminator(head.width) if self.distance == ADVERSARIAL else None
        learner = Paired(fresh, head.name, decoder, apart or DISTANCES.get(self.distance, paired))
        return learner.to(samples.device)


class Paired(nn.Module):
    """A network on inputs and as many worse ones behind them; beside its logits, how it embeds the pairs."""

    def __init__(
        self,
        model: nn.Module,
        head: str | None = None,
        decoder: nn.Module | None = None,
        distance: Distance | nn.Module = paired,
    ) -> None:
        super().__init__()
        self.model, self.decoder = model, decoder
        self.distance = distance
        self.head = head  # name of the layer that reads the feature; None: nothing is asked of it

    def forward(self, inputs: Tensor) -> Float[Tensor, "both outputs"]:
        """Return logits, and in two more columns the distance of each pair and how badly it is restored."""
        if self.head is None:
            logits = self.model(inputs)
            return torch.cat([logits, logits.new_zeros(len(logits), EXTRA)], dim=1)
        with read_inputs(self.model, [self.head]) as seen:
            logits = self.model(inputs)
        clean, worse = seen[self.head].float().chunk(2)
        apart = self.distance(clean, worse).expand(len(clean))
        missed = torch.zeros_like(apart) if self.decoder is None else self.decoder(worse, inputs.chunk(2)[0])
        columns = torch.stack([apart, missed], dim=1).repeat(2, 1)
        return torch.cat([logits.float(), columns], dim=1)


@dataclass(frozen=True)
class Bridge:
    """The four parts of the loss, weighed."""

    method: CleanToNoisy
    task: Task

    def __call__(self, outputs: Tensor, batch: Batch) -> Float[Tensor, " b"]:
        """Return the loss of each sample."""
        clean, worse = outputs.float().chunk(2)
        apart, missed = clean[:, -EXTRA], clean[:, -EXTRA + 1]
        of_task = self.task.loss(clean[:, :-EXTRA], batch.labels)
        of_worse = self.task.loss(worse[:, :-EXTRA], batch.labels)
        method = self.method
        return of_task + method.noisy * of_worse + method.align * apart + method.restore * missed
