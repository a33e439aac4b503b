"""Learn without labels first, then correct the labels by what classifiers of several stages agree on."""

from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional

from unchaff.errors import ConfigError
from unchaff.methods.encoder import (
    Encoder,
    Features,
    Pretraining,
    Probed,
    Probing,
    features,
    pretrained_encoder,
    probed,
)
from unchaff.partition.keep import spare_classes
from unchaff.records import Cost, Observed, Outcome, Partition, Trained
from unchaff.samples import Samples
from unchaff.streams import Streams
from unchaff.train.initial import phase_by
from unchaff.train.loop import Fitted, fit
from unchaff.train.passes import logits_of
from unchaff.train.phases import Phase
from unchaff.train.targets import Weighted


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A stretch of an iteration, on the samples whose loss is low before it."""

    quantile: float  # share of each class that is learned from, lowest loss first
    change: Literal["none", "weak", "strong"]  # of the inputs; grows from stage to stage


STAGES = (
    Stage(quantile=0.5, change="none"),
    Stage(quantile=0.7, change="weak"),
    Stage(quantile=0.9, change="strong"),
)


@dataclass(frozen=True, kw_only=True)
class SslPlr:
    """Pretraining without labels, iterations of staged pseudo-label refinement, and a final classifier.

    Source: Bala et al., arXiv 2412.04898: SimCLR, pseudo-labels by consensus over stages, a filter by loss,
    growing augmentation, four iterations. Inferred, and so options: the order, the thresholds, the number of
    stages and their lengths. Ours too: an iteration begins with a probe on the features, for its losses
    choose the samples of the first stage; quantiles are taken within each label; what is dropped sits out
    one iteration; a tenth of each class keeps its given label whatever the stages say. Left out: to hand the
    labels on to DivideMix.
    """

    pretraining: Pretraining = field(default_factory=Pretraining)
    probe: Probing = field(default_factory=Probing)
    iterations: int = 4
    stages: tuple[Stage, ...] = STAGES
    stage_epochs: float = 0.2  # of each stage, in those of the recipe
    sure: float = 0.9  # mean confidence of the stages above which the label they agree on is taken
    final_epochs: float = 1.0  # of the final classifier, in those of the recipe
    weighted: bool = False  # final classifier: each sample with the confidence of the stages as its weight
    cites: ClassVar[tuple[str, ...]] = ("bala2024mitigating", "chen2020simple")
    anew: ClassVar[bool] = True  # it looks at no finished network

    def __post_init__(self) -> None:
        if self.iterations < 1 or not self.stages:
            raise ConfigError("There must be one iteration and one stage at least. The usual are 4 and 3.")
        if not all(0 < stage.quantile <= 1 for stage in self.stages):
            raise ConfigError("A quantile must be in (0, 1]. The usual ones are 0.5, 0.7 and 0.9.")
        if not 0 < self.sure <= 1:
            raise ConfigError(f"sure must be in (0, 1], got {self.sure}. The usual one is 0.9.")
        if min(self.stage_epochs, self.final_epochs) <= 0:
            raise ConfigError("stage_epochs and final_epochs must be above 0. The usual are 0.2 and 1.")

    def __call__(self, trained: Trained, observed: Observed, *, streams: Streams) -> Outcome:
        """Pretrain, refine the labels, and train the final classifier."""
        train = observed.train
        encoder = pretrained_encoder(trained, train, self.pretraining, streams=streams)
        read = features(encoder, train)
        work = _Work(self, trained, train, encoder, read)
        store, cost = Store.of(train), encoder.cost + read.cost
        for number in range(1, self.iterations + 1):
            said, spent = work.stages(store, streams=streams.fork(f"iteration {number}"))
            store, cost = store.refined(said, self), cost + spent
        final = work.final(store, streams=streams.fork("final"))
        split = store.partition(train)
        return Outcome(
            model=final.model.eval(), partition=split, cost=cost + final.cost, notes=(split.reason,)
        )


@dataclass(frozen=True)
class Store:
    """What is known of each sample so far, by row."""

    given: Int[Tensor, " n"]
    labels: Int[Tensor, " n"]  # as refined so far
    dropped: Bool[Tensor, " n"]  # sits out the next iteration, or the final training
    confidence: Float[Tensor, "n classes"]  # mean over the stages of the last iteration

    @staticmethod
    def of(samples: Samples) -> "Store":
        """Return the labels as given, and nothing else."""
        labels = samples.labels
        flat = torch.full((len(labels), samples.num_classes), 1 / samples.num_classes, device=labels.device)
        return Store(labels, labels, torch.zeros_like(labels, dtype=torch.bool), flat)

    def refined(self, said: Float[Tensor, "stages n classes"], by: SslPlr) -> "Store":
        """Return the labels after an iteration.

        Where all stages name one class with a mean confidence above `sure`, that is the label from now on.
        Where they disagree and the loss stays high to the end, the sample is dropped for the next iteration.
        """
        named, mean = said.argmax(2), said.mean(0)
        agreed = (named == named[0]).all(0)
        sure = agreed & (mean.amax(1) > by.sure)
        labels = torch.where(sure, named[0], self.labels)
        own = mean.gather(1, self.given[:, None]).squeeze(1)
        labels = torch.where(spare_classes(labels == self.given, own, self.given), self.given, labels)
        last = -said[-1].clamp_min(1e-12).log().gather(1, self.labels[:, None]).squeeze(1)
        hopeless = ~easiest(last, self.labels, by.stages[-1].quantile)
        return Store(self.given, labels, ~agreed & hopeless, mean)

    @property
    def own(self) -> Float[Tensor, " n"]:
        """Confidence in the label as it is now."""
        return self.confidence.gather(1, self.labels[:, None]).squeeze(1)

    @property
    def used(self) -> Bool[Tensor, " n"]:
        """What the next training learns from."""
        return spare_classes(~self.dropped, self.own, self.labels)

    def partition(self, samples: Samples) -> Partition:
        """Return the judgement of the given labels."""
        quality = self.confidence.gather(1, self.given[:, None]).squeeze(1).clamp(0, 1)
        changed = self.labels != self.given
        kept = spare_classes(~changed & ~self.dropped, quality, self.given)
        reason = (
            f"The stages agreed on another label for {int(changed.sum())} of {len(samples)} samples, and "
            f"{int(self.dropped.sum())} stayed in dispute; kept are the rest."
        )
        return Partition(
            ids=samples.ids,
            quality=quality.float().cpu(),
            kept=kept.cpu(),
            suggested=self.labels.cpu(),
            reason=reason,
        )


@dataclass(frozen=True)
class _Work:
    """What all iterations begin with."""

    by: SslPlr
    trained: Trained
    samples: Samples
    encoder: Encoder
    read: Features

    def stages(self, store: Store, *, streams: Streams) -> tuple[Float[Tensor, "stages n classes"], Cost]:
        """Train a classifier in stages, and return what it says of all samples after each."""
        start = self._probe(store, streams=streams)
        model, logits, cost, said = start.model, start.logits, start.cost, []
        current = self.samples.relabel(store.labels)
        for number, stage in enumerate(self.by.stages, start=1):
            losses = functional.cross_entropy(logits, store.labels, reduction="none")
            losses = losses.masked_fill(~store.used, float("inf"))
            rows = (easiest(losses, store.labels, stage.quantile) & store.used).nonzero().squeeze(1)
            chosen = current.at(rows.cpu().numpy())
            phase = self._phase(len(chosen), self.by.stage_epochs, stage.change)
            fitted = fit(model, chosen, phase, streams=streams.fork(f"stage {number}"), name="stage")
            look = logits_of(fitted.model, self.samples, name="look")
            model, logits = fitted.model, look.rows[:, : self.samples.num_classes]
            cost = cost + fitted.cost + look.cost
            said.append(logits.softmax(1))
        return torch.stack(said), cost

    def final(self, store: Store, *, streams: Streams) -> Fitted:
        """Train the classifier that is handed over."""
        start = self._probe(store, streams=streams)
        rows = store.used.nonzero().squeeze(1)
        chosen = self.samples.relabel(store.labels).at(rows.cpu().numpy())
        phase = self._phase(len(chosen), self.by.final_epochs, "weak")
        if self.by.weighted:
            phase = replace(phase, loss=Weighted(store.confidence.amax(1)[rows]))
        fitted = fit(start.model, chosen, phase, streams=streams, name="final")
        return replace(fitted, cost=start.cost + fitted.cost)

    def _probe(self, store: Store, *, streams: Streams) -> Probed:
        """Return the encoder with a last layer trained on the labels as they are now."""
        read = replace(self.read, samples=self.read.samples.relabel(store.labels))
        size = self.trained.recipe_for(len(self.samples)).batch_size
        return probed(self.encoder, read, self.by.probe, batch_size=size, streams=streams)

    def _phase(self, size: int, epochs: float, change: str) -> Phase:
        """Return so many epochs of the recipe on so many samples, annealed to zero."""
        recipe = self.trained.recipe_for(len(self.samples))
        recipe = replace(recipe, epochs=max(1, round(epochs * recipe.epochs)), augment=change == "weak")
        return replace(phase_by(recipe, size), views=("strong",) if change == "strong" else ())


def easiest(losses: Float[Tensor, " n"], labels: Int[Tensor, " n"], quantile: float) -> Bool[Tensor, " n"]:
    """Return which samples are among the lowest losses of their label; one at least of each."""
    chosen = torch.zeros_like(labels, dtype=torch.bool)
    for label in labels.unique():
        rows = (labels == label).nonzero().squeeze(1)
        chosen[rows[losses[rows].argsort(stable=True)[: max(1, round(quantile * len(rows)))]]] = True
    return chosen
