"""Tune a classifier on the features of a frozen network whose own training labels were noisy."""

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from unchaff.copies import copied
from unchaff.errors import ConfigError, NeedsError
from unchaff.methods.encoder import of_rows
from unchaff.nets.head import Head, head_of
from unchaff.nets.tuned import TUNED, tuned_head
from unchaff.records import Cost, Observed, Outcome, Trained
from unchaff.samples import Batch, Samples
from unchaff.streams import Streams
from unchaff.train.augment import changed
from unchaff.train.loop import fit
from unchaff.train.optimizers import Adam
from unchaff.train.passes import features_of
from unchaff.train.phases import Cosine, Phase
from unchaff.train.spectrum import (
    consistency,
    covariance,
    covariance_flops,
    dominance,
    entropy,
    largest_share,
    shares,
    singular_flops,
)

ROOM = 2 * 1024**3  # bytes of features that are held


@dataclass(frozen=True, kw_only=True)
class NmTune:
    """A residual adapter and a linear classifier on the features of the network as it came.

    For a network that was trained elsewhere, with noisy labels that are not there any more, and data
    whose labels are right. It never changes the network before its last layer.

    Source: Chen et al., arXiv 2309.17002 and 2403.06869, losses and settings from their code. Ours: features
    are computed once for a few random changes of each input, of which every step draws two different ones.
    """

    consistency: float = 1.0  # weight of staying near the features as they came
    covariance: float = 0.04  # of features that say different things
    rank: float = 0.001  # of few directions that carry much
    largest: int = 5  # singular values that are to grow
    hidden: float = 4.0  # width of the adapter, in those of the features; 0: linear probing
    draws: int = 4  # random changes of each input, beside the input as it is
    epochs: int = 30
    lr: float = 1e-3
    weight_decay: float = 1e-4
    batch_size: int = 64
    cites: ClassVar[tuple[str, ...]] = ("chen2024understanding", "chen2025impact")

    def __post_init__(self) -> None:
        if min(self.epochs, self.largest) < 1 or min(self.draws, self.hidden) < 0:
            raise ConfigError(
                f"epochs and largest must be at least 1, draws and hidden at least 0, got {self.epochs}, "
                f"{self.largest}, {self.draws} and {self.hidden}."
            )

    def __call__(self, trained: Trained, observed: Observed, *, streams: Streams) -> Outcome:
        """Tune what comes after the features."""
        train = observed.train
        head = head_of(trained.model, next(train.batches(2)).inputs)
        if not head.name:
            raise NeedsError(
                "nmtune puts an adapter between a network's features and its last layer, and this network is "
                "nothing but that layer. Give a network of several layers."
            )
        held, cost = self._features(trained, train, head, streams=streams)
        table = replace(of_rows(train, torch.cat(held, dim=1)), augmentation=_Turning(head.width))
        with streams.forked_global("adapter"):
            fresh = tuned_head(head.width, train.num_classes, round(self.hidden * head.width))
        learner = _Shown(fresh.to(train.device), head.width)
        steps = self.epochs * max(1, len(train) // min(self.batch_size, len(train)))
        phase = Phase(
            steps=steps,
            lr=Cosine(steps=steps, peak=self.lr, warmup=0.0),
            batch_size=self.batch_size,
            optimizer=Adam(weight_decay=self.weight_decay),
            loss=_Losses(self, head.width),
            beside=self._asked_flops(2 * min(self.batch_size, len(train)), head.width),
        )
        fitted = fit(learner, table, phase, streams=streams.fork("tune"), name="tune")
        model = copied(trained.model)
        model.set_submodule(head.name, fitted.model.get_submodule("head"))
        part = shares(held[0])
        said = (
            f"Singular values of the features: entropy {entropy(part):.2f} (SVE), minus the log of the "
            f"largest share {largest_share(part):.2f} (LSVR)."
        )
        return Outcome(
            model=model.eval(),
            cost=cost + replace(fitted.cost, samples_seen=2 * fitted.cost.samples_seen).as_stage("tune"),
            modifications=(f"{TUNED} {head.name}",),
            notes=(said, *self._lacking(len(held) - 1)),
        )

    def _asked_flops(self, views: int, width: int) -> float:
        """Return the operations at each step of what is asked of so many adapted features."""
        together = covariance_flops(views, width) if self.covariance else 0.0
        return together + (singular_flops(views, width) if self.rank else 0.0)

    def _features(
        self, trained: Trained, train: Samples, head: Head, *, streams: Streams
    ) -> tuple[list[Tensor], Cost]:
        """Return the features of each input as it is, and of as many changes of it as there is room for."""
        found = features_of(trained.model, train, head, name="features")
        fitting = ROOM // (4 * len(train) * head.width) - 1
        draw, rows, cost = streams("changes", train.device), [found.rows], found.cost
        for _ in range(max(0, min(self.draws, fitting))):
            found = features_of(
                trained.model,
                train,
                head,
                name="features",
                change=lambda inputs: changed(inputs, train, draw),
            )
            rows.append(found.rows)
            cost = cost + found.cost
        return rows, cost

    def _lacking(self, held: int) -> list[str]:
        """Return a sentence where fewer changes of each input are held than were asked for."""
        if held == self.draws:
            return []
        views = {0: " Both views are the input as it is.", 1: " The second view is the input as it is."}
        said = (
            f"Of {self.draws} random changes of each input {held} were used: the features of more do not fit "
            f"in {ROOM / 1024**3:g} GiB.{views.get(held, '')}"
        )
        return [said]


@dataclass(frozen=True)
class _Turning:
    """Puts two different random changes of each input first, where the network reads them.

    Where there is but one, the input as it is comes second.
    """

    width: int
    name: ClassVar[str] = "features"

    def __call__(self, rows: Tensor, generator: torch.Generator) -> Tensor:
        views = rows.unflatten(1, (-1, self.width))
        drawn = torch.rand(views.shape[:2], generator=generator, device=rows.device)
        drawn[:, 0] = 2.0  # the input as it is comes last
        order = drawn.argsort(1)
        return views.gather(1, order[:, :, None].expand_as(views)).flatten(1)


class _Shown(nn.Module):
    """What is tuned, with all that the loss has to see: logits, adapted features and features.

    Of the first view of each sample, and then of the second.
    """

    def __init__(self, head: nn.Sequential, width: int) -> None:
        super().__init__()
        self.head, self.width = head, width

    def forward(self, rows: Tensor) -> Tensor:
        last = min(2 * self.width, rows.shape[1])  # the only view serves as both
        features = torch.cat([rows[:, : self.width], rows[:, last - self.width : last]])
        adapted = self.head[0](features)
        return torch.cat([self.head[1](adapted), adapted, features], dim=1)


@dataclass(frozen=True)
class _Losses:
    """Cross-entropy of both views, and what is asked of the adapted features."""

    method: NmTune
    width: int

    def __call__(self, outputs: Tensor, batch: Batch) -> Float[Tensor, " b"]:
        """Return the loss of each sample; what is asked of the batch is part of each."""
        logits, adapted, before = outputs.float().tensor_split((-2 * self.width, -self.width), dim=1)
        own = functional.cross_entropy(logits, batch.labels.repeat(2), reduction="none")
        size = len(batch.labels)
        weights = self.method
        asked = torch.zeros((), device=outputs.device)
        if weights.consistency:
            asked = asked + weights.consistency * consistency(adapted[size:], before[:size])
        if weights.covariance:
            asked = asked + weights.covariance * covariance(adapted)
        if weights.rank:
            asked = asked + weights.rank * dominance(adapted, weights.largest)
        return own.view(2, -1).mean(0) + asked
