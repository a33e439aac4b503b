"""Train two fresh networks that choose for each other what to learn from."""

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from unchaff.attribute.betas import small
from unchaff.errors import ConfigError
from unchaff.methods.anew import checked_budget, checked_share, phase_within
from unchaff.methods.beginning import beginning
from unchaff.records import Observed, Outcome, Trained
from unchaff.samples import Batch, Rows
from unchaff.streams import Streams
from unchaff.train.loop import fit
from unchaff.train.tutor import Tutor

OVER = (
    "The training was over before an estimated share could be left out: both networks learned from "
    "everything. Give a larger budget."
)


@dataclass(frozen=True, kw_only=True)
class CoTeaching:
    """Two networks side by side; each learns from the samples of a batch that have a small loss in the other.

    The first is handed over. Where it is not given, the share that is left out is estimated: from two beta
    distributions on the losses, as the networks met the samples in the last warm-up epoch.

    Source: Han et al., arXiv 1804.06872, algorithm 1, with R(T) = 1 - tau min(T / T_k, 1). INFERred: T_k as
    a share of the epochs (the paper has 10 of 200); with an estimated rate nothing is left out before T_k,
    and all of the rate from then on.
    """

    forget_rate: float | None = None  # share of each batch that is not learned from; None: estimated
    gradual: float = 0.5  # share of the epochs in which the rate rises, or after which it is estimated
    augment: bool = True
    budget: float = 2.0  # operations of both, as a share of one full training
    cites: ClassVar[tuple[str, ...]] = ("han2018coteaching", "arazo2019unsupervised")
    anew: ClassVar[bool] = True  # it looks at no finished network

    def __post_init__(self) -> None:
        checked_budget(self.budget)
        if self.forget_rate is not None:
            checked_share("forget_rate", self.forget_rate, "For a fifth of wrong labels pass 0.2.")
        if not 0 < self.gradual <= 1:
            raise ConfigError(f"gradual must be in (0, 1], got {self.gradual}.")

    def __call__(self, trained: Trained, observed: Observed, *, streams: Streams) -> Outcome:
        """Train both anew, and hand over the first."""
        train = observed.train
        phase = phase_within(trained, train, budget=self.budget, price=2.0, augment=self.augment)
        epochs = phase.steps / max(1, len(train) // phase.batch_size)
        exchange = Exchange(
            torch.full((len(train),), torch.nan, device=train.device),
            warm=max(1, round(self.gradual * epochs)),
            rate=self.forget_rate,
        )
        pair = Pair(
            beginning(trained, streams=streams),
            beginning(trained, streams=streams.fork("second")),
        )
        fitted = fit(
            pair,
            train,
            replace(phase, loss=exchange),
            streams=streams.fork("retrain"),
            name="train",
            watcher=exchange,
        )
        first = fitted.model.get_submodule("first")
        is_over = self.forget_rate is None and exchange.warm >= epochs
        return Outcome(model=first.eval(), cost=fitted.cost, notes=(OVER if is_over else exchange.said,))


class Pair(nn.Module):
    """Two networks that see the same inputs; their logits stand side by side (b, 2 classes)."""

    def __init__(self, first: nn.Module, second: nn.Module) -> None:
        super().__init__()
        self.first, self.second = first, second

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the logits of both."""
        return torch.cat([self.first(inputs), self.second(inputs)], dim=1)


class Exchange(Tutor):
    """The loss of both networks: of each, on the samples that have the smallest loss in the other."""

    kept = ("losses", "estimated")

    def __init__(self, losses: Float[Tensor, " n"], *, warm: int, rate: float | None) -> None:
        super().__init__()
        self.losses = losses  # mean of both networks when a sample was last met; NaN: not yet
        self.estimated = torch.zeros(())  # share of wrong labels, once it is estimated
        self.warm, self.rate = warm, rate

    @property
    def left_out(self) -> float:
        """Share of a batch that is not learned from in this epoch (1 - R(T))."""
        if self.rate is None:
            return float(self.estimated)
        return self.rate * min((self.epoch + 1) / self.warm, 1.0)

    @property
    def said(self) -> str:
        """One sentence about the rate."""
        if self.rate is not None:
            return f"The share that is not learned from was given: {self.rate:.1%}."
        return (
            f"The share that is not learned from was estimated from the losses after {self.warm} epochs: "
            f"{float(self.estimated):.1%}."
        )

    def __call__(self, outputs: Tensor, batch: Batch) -> Float[Tensor, " b"]:
        """Return what each sample adds to the losses of both; nothing where neither learns from it."""
        ours, theirs = (
            functional.cross_entropy(each.float(), batch.labels, reduction="none")
            for each in outputs.chunk(2, dim=1)
        )
        number = max(1, int((1 - self.left_out) * len(batch.labels) + 1e-6))
        return (_smallest(theirs, number) * ours + _smallest(ours, number) * theirs) * (
            len(batch.labels) / number
        )

    def see(self, rows: Rows, logits: Tensor, labels: Tensor) -> None:
        """Note the losses."""
        both = [
            functional.cross_entropy(each.detach().float(), labels, reduction="none")
            for each in logits.chunk(2, dim=1)
        ]
        self.losses[torch.from_numpy(rows).to(self.losses.device)] = (both[0] + both[1]) / 2

    def look(self, model: nn.Module) -> None:
        """Estimate the rate, once, after the warm-up."""
        if self.rate is None and self.epoch == self.warm:
            met = self.losses[~self.losses.isnan()].cpu()
            self.estimated.fill_(1 - float(small(met).double().mean()))


def _smallest(losses: Float[Tensor, " b"], number: int) -> Float[Tensor, " b"]:
    """Return 1 for so many samples with the smallest losses, and 0 for the others."""
    chosen = losses.detach().argsort(stable=True)[:number]
    return torch.zeros_like(losses).index_fill(0, chosen, 1.0)
