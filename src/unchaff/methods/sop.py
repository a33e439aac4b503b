"""Train a fresh network beside two variables per sample that take up wrong labels."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from unchaff.errors import ConfigError
from unchaff.methods.anew import checked_budget, phase_within, taught_anew
from unchaff.nets.head import outputs_of
from unchaff.records import Observed, Outcome, Trained
from unchaff.samples import Batch, Rows
from unchaff.streams import Streams
from unchaff.train.tutor import Tutor

PAPER_EPOCHS, PAPER_BATCH = 120, 128
FLOOR = 1e-4  # of a prediction


@dataclass(frozen=True, kw_only=True)
class Sop:
    """A whole training on all given labels, in which sparse variables explain the labels that do not fit.

    Source: Liu et al., arXiv 2202.14026, equations 4 to 7; defaults for ten classes and labels that are
    wrong by chance (where classes are confused in pairs the paper has `rate_v=100`). The variable of the
    label follows the cross-entropy alone, as in equation 6; in the released code it follows the squared
    error too. Without the consistency and balance terms of SOP+. INFERred: `pace`, since with the rates of
    the paper the variables need its 120 epochs to grow; and they stay within [-1, 1] by a projection.
    """

    rate_u: float = 10.0  # of the variable of the given label
    rate_v: float = 10.0  # of those of the other classes
    start: float = 1e-8  # deviation of the first values of both
    floor: float = FLOOR  # of a prediction, once the variables are added
    pace: float | None = None  # factor on both rates; None: 120 epochs over those of this training
    augment: bool = True
    budget: float = 1.0  # share of the recipe's epochs
    cites: ClassVar[tuple[str, ...]] = ("liu2022robust",)
    anew: ClassVar[bool] = True  # it looks at no finished network

    def __post_init__(self) -> None:
        checked_budget(self.budget)
        for name in ("rate_u", "rate_v", "start", "floor"):
            if getattr(self, name) < 0:
                raise ConfigError(f"{name} must be 0 or more, got {getattr(self, name)}.")

    def __call__(self, trained: Trained, observed: Observed, *, streams: Streams) -> Outcome:
        """Train anew."""
        train = observed.train
        phase = phase_within(trained, train, budget=self.budget, augment=self.augment)
        epochs = phase.steps / max(1, len(train) // phase.batch_size)
        pace = PAPER_EPOCHS / epochs if self.pace is None else self.pace
        width = outputs_of(trained.model, next(train.batches(2)).inputs)
        drawn = self.start * torch.randn(len(train), width + 1, generator=streams("sop"))
        drawn = drawn.to(train.device)
        rates = (self.rate_u * pace / PAPER_BATCH, self.rate_v * pace / PAPER_BATCH)
        loss = Sparse(drawn[:, :1].clone(), drawn[:, 1:].clone(), rates=rates, floor=self.floor)
        return taught_anew(trained, train, phase, loss, streams=streams)


class Sparse(Tutor):
    """Cross-entropy of the predictions plus what the variables of a sample add to them.

    That is u^2 for the given label and -v^2 for the others. The network learns with the variables held
    still; then they take a step of their own: u down the cross-entropy, v down the squared error of the
    predicted class.
    """

    kept = ("own", "others")

    def __init__(
        self,
        own: Float[Tensor, "n 1"],
        others: Float[Tensor, "n outputs"],
        *,
        rates: tuple[float, float],
        floor: float = FLOOR,
    ) -> None:
        super().__init__()
        self.own, self.others = own, others  # u and v by row, changed in place
        self.rates, self.floor = rates, floor  # of a step on the loss of one sample

    def __call__(self, outputs: Tensor, batch: Batch) -> Float[Tensor, " b"]:
        """Return the loss of each sample, in nats (equation 4 with the normalisation of section 3)."""
        label = batch.labels[:, None]
        rows = self._rows(batch.rows)
        log_said = outputs.float().log_softmax(1)
        mine = torch.logaddexp(log_said.gather(1, label), self.own[rows].square().log()).squeeze(1)
        return self._whole(log_said.exp(), rows, label).log() - mine

    @torch.no_grad()
    def see(self, rows: Rows, logits: Tensor, labels: Tensor) -> None:
        """Take the step of the variables (equations 6 and 7)."""
        label, place = labels[:, None], self._rows(rows)
        said = logits.detach().float().softmax(1)
        own, others = self.own[place], self.others[place]
        explained = said.gather(1, label) + own.square()
        down = 2 * own * (1 / self._whole(said, place, label)[:, None] - 1 / explained)
        named = torch.zeros_like(said).scatter(1, said.argmax(1, keepdim=True), 1.0)
        aside = (-4 * others * (named - others.square())).scatter(1, label, 0.0)
        self.own[place] = (own - self.rates[0] * down).clamp(-1, 1)
        self.others[place] = (others - self.rates[1] * aside).clamp(-1, 1)

    def _whole(self, said: Tensor, rows: Tensor, label: Tensor) -> Float[Tensor, " b"]:
        """Return what the changed predictions of each sample sum to."""
        rest = (said - self.others[rows].square()).clamp_min(self.floor).scatter(1, label, 0.0).sum(1)
        return rest + (said.gather(1, label) + self.own[rows].square()).squeeze(1)

    def _rows(self, rows: Rows) -> Tensor:
        return torch.from_numpy(rows).to(self.own.device)
