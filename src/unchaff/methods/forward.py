"""Train a fresh network whose predictions pass through a noise transition."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from unchaff.errors import ConfigError
from unchaff.methods.anew import checked_budget, fitted_anew, phase_for, phase_within, taught_anew
from unchaff.records import Cost, Observed, Outcome, Trained
from unchaff.samples import Samples
from unchaff.streams import Streams
from unchaff.train.initial import full_cost
from unchaff.train.passes import logits_of
from unchaff.train.targets import Transferred


@dataclass(frozen=True, kw_only=True)
class Forward:
    """A whole training that explains given labels as true ones changed by chance, class by class.

    The transition is given, or estimated: the sample a network is surest shows a class is taken to show it
    for certain, so what the network says of that sample is how the labels of the class were given.

    Source: Patrini et al., arXiv 1609.03683, theorem 2 (forward correction) and equations 12 and 13 (anchor
    points). INFERred: which network is asked (`warmup`), and how far down its order the anchor stands where
    classes are not ten.
    """

    transition: tuple[tuple[float, ...], ...] | None = None  # row: true class, column: given label
    warmup: float = 0.0  # full trainings spent on a network to estimate it from; 0: the trained one is asked
    quantile: float | None = None  # of the anchor; None: 1 - 0.3 times the share of its label
    augment: bool = True
    budget: float = 1.0  # operations of everything, as a share of one full training
    cites: ClassVar[tuple[str, ...]] = ("patrini2017making",)

    def __post_init__(self) -> None:
        checked_budget(self.budget)
        if not 0 <= self.warmup < self.budget:
            raise ConfigError(
                f"warmup must lie between 0 and the budget of {self.budget:g}, got {self.warmup}: what it "
                "leaves is for the training."
            )
        if self.quantile is not None and not 0 < self.quantile <= 1:
            raise ConfigError(f"quantile must be in (0, 1], got {self.quantile}. The paper has 0.97.")
        if self.transition is not None:
            _check(self.transition)

    @property
    def anew(self) -> bool:
        """Whether it looks at no finished network."""
        return self.transition is not None or self.warmup > 0

    def __call__(self, trained: Trained, observed: Observed, *, streams: Streams) -> Outcome:
        """Find the transition and train anew."""
        train = observed.train
        transition, cost, note = self._transition(trained, train, streams=streams)
        left = self.budget * full_cost(trained, train).flops - cost.flops
        phase = phase_for(trained, train, flops=left, augment=self.augment)
        loss = Transferred(transition.log().to(train.device))
        outcome = taught_anew(trained, train, phase, loss, streams=streams)
        return Outcome(model=outcome.model, cost=cost + outcome.cost, notes=(note,))

    def _transition(
        self, trained: Trained, train: Samples, *, streams: Streams
    ) -> tuple[Float[Tensor, "classes classes"], Cost, str]:
        if self.transition is not None:
            given = torch.tensor(self.transition)
            _check_labels(given, train)
            return given, Cost(), "The noise transition was given."
        asked, cost, who = trained.model, Cost(), "of the trained network"
        if self.warmup:
            brief = phase_within(trained, train, budget=self.warmup, augment=self.augment)
            first = fitted_anew(trained, train, brief, streams=streams.fork("warm-up"), name="warm-up")
            asked, cost, who = first.model.eval(), first.cost, "of a short training of its own"
        seen = logits_of(asked, train, name="transition")
        classes = train.num_classes
        shares = torch.bincount(train.labels.cpu(), minlength=classes).double() / len(train)
        quantiles = 1 - 0.3 * shares if self.quantile is None else torch.full((classes,), self.quantile)
        found = anchored(seen.rows[:, :classes].cpu().softmax(1), quantiles.tolist())
        note = (
            f"The noise transition was estimated from the predictions {who}: by it, "
            f"{float(found.diagonal().mean()):.0%} of the labels of a class are right on average."
        )
        return found, cost + seen.cost, note


def anchored(
    said: Float[Tensor, "n classes"], quantiles: Sequence[float]
) -> Float[Tensor, "classes classes"]:
    """Return the transition that the anchor of each class shows (equations 12 and 13).

    Args:
        said: probability of each given label, for all samples.
        quantiles: of the anchor of each class by its probability, among all samples; 1: the surest.
    """
    order, last = said.argsort(dim=0, stable=True), len(said) - 1
    places = [min(last, int(np.ceil(quantile * last))) for quantile in quantiles]
    return said[torch.stack([order[place, label] for label, place in enumerate(places)])]


def _check(transition: tuple[tuple[float, ...], ...]) -> None:
    sizes = {len(transition), *map(len, transition)}
    fits = len(sizes) == 1 and all(min(row) >= 0 and abs(sum(row) - 1) < 1e-3 for row in transition)
    if not fits:
        raise ConfigError(
            "transition must have a row and a column for each class, numbers of 0 and more, and rows that "
            f"sum to 1, got {transition}. Row i says how often a sample of class i was given each label."
        )


def _check_labels(transition: Float[Tensor, "classes classes"], samples: Samples) -> None:
    if len(transition) != samples.num_classes:
        raise ConfigError(
            f"transition is for {len(transition)} classes, but the data have {samples.num_classes}. Give "
            "a row and a column for each."
        )
    never = (transition.sum(0) == 0).nonzero().flatten().tolist()
    there = [samples.class_names[label] for label in never if bool((samples.labels == label).any())]
    if there:
        raise ConfigError(
            f"By the transition no sample is ever given the label {there[0]!r}, but some are. Give the "
            "column of that label a number above 0."
        )
