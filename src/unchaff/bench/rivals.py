"""What the systems are compared with, beside other systems: the plain ways to the same end."""

import copy
from dataclasses import dataclass, field, replace
from typing import ClassVar

import torch
from torch import Tensor, nn

from unchaff.copies import copied
from unchaff.errors import NeedsError
from unchaff.evaluate.attacks import Attack
from unchaff.methods.anew import checked_budget, phase_within
from unchaff.methods.beginning import beginning
from unchaff.methods.encoder import Encoder, Probing, features, probed, usable_head
from unchaff.nets.flops import count
from unchaff.nets.hooks import in_eval_mode
from unchaff.records import Cost, Observed, Outcome, Trained
from unchaff.streams import Streams
from unchaff.train.initial import phase_by
from unchaff.train.loop import fit


@dataclass(frozen=True, kw_only=True)
class LinearProbing:
    """A new last layer on the layers of the network as it came, learned from all given labels."""

    probe: Probing = field(default_factory=lambda: Probing(q=0.0))

    def __call__(self, trained: Trained, observed: Observed, *, streams: Streams) -> Outcome:
        """Learn the last layer."""
        train = observed.train
        encoder = Encoder(copied(trained.model), usable_head(trained.model, train), Cost())
        read = features(encoder, train)
        size = trained.recipe_for(len(train)).batch_size
        found = probed(encoder, read, self.probe, batch_size=size, streams=streams.fork("probe"))
        return Outcome(model=found.model.eval(), cost=read.cost + found.cost)


@dataclass(frozen=True, kw_only=True)
class FullFineTuning:
    """All layers of the network as it came and a new last one, learned from all given labels."""

    def __call__(self, trained: Trained, observed: Observed, *, streams: Streams) -> Outcome:
        """Fine-tune."""
        train, model = observed.train, copied(trained.model)
        with streams.forked_global("head"):
            usable_head(model, train).of(model).reset_parameters()
        recipe = replace(trained.recipe_for(len(train)), augment=True)
        fitted = fit(
            model, train, phase_by(recipe, len(train)), streams=streams.fork("tune"), name="fine-tune"
        )
        return Outcome(model=fitted.model.eval(), cost=fitted.cost)


@dataclass(frozen=True, kw_only=True)
class PgdTraining:
    """A fresh network that learns from inputs moved against itself at every step.

    Source: Madry et al., arXiv 1706.06083. Ours: inputs are led away from what the network says of them and
    not from their labels, and the attack sees the network as it is in use (its normalisations in eval mode).
    """

    epsilon: float = 2.0  # largest change of a pixel, in 255ths of its range
    steps: int = 3  # of the attack, each as dear as a step of training
    budget: float = 4.0  # share of the operations of one full training
    anew: ClassVar[bool] = True

    def __post_init__(self) -> None:
        checked_budget(self.budget)

    def __call__(self, trained: Trained, observed: Observed, *, streams: Streams) -> Outcome:
        """Train anew."""
        train = observed.train
        example = next(train.batches(64)).inputs
        if train.kind.name != "image" or not bool(((example >= 0) & (example <= 1)).all()):
            raise NeedsError(
                f"PGD training moves pixels between 0 and 1, and these inputs are others ({train.kind}). "
                "Leave it out."
            )
        attack = Attack(
            epsilon=self.epsilon / 255, step=2.5 * self.epsilon / 255 / self.steps, steps=self.steps
        )
        phase = phase_within(trained, train, budget=self.budget, price=1 + self.steps)
        moved = Attacked(beginning(trained, streams=streams), attack, streams("attack", train.device))
        fitted = fit(moved, train, phase, streams=streams.fork("retrain"), name="train")
        each = count(trained.model, example[:2]).training
        attacks = Cost(flops=self.steps * each * fitted.cost.samples_seen)
        return Outcome(
            model=fitted.model.get_submodule("model").eval(), cost=fitted.cost + attacks.as_stage("attacks")
        )


class Attacked(nn.Module):
    """A network that, while it learns, gets inputs moved against it."""

    def __init__(self, model: nn.Module, attack: Attack, generator: torch.Generator) -> None:
        super().__init__()
        self.model = model
        self._attack, self._generator = attack, generator

    def __deepcopy__(self, memo: dict[int, object]) -> "Attacked":
        """Return a copy that draws on with the same generator."""
        return type(self)(copy.deepcopy(self.model, memo), self._attack, self._generator)

    def forward(self, inputs: Tensor) -> Tensor:
        if self.training and torch.is_grad_enabled():
            with in_eval_mode(self.model):
                said = self.model(inputs).detach().argmax(1)
                inputs = self._attack(self.model, inputs, said, generator=self._generator)
        answered: Tensor = self.model(inputs)
        return answered
