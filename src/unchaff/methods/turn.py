"""Train the last layer first, on features that noise has not touched; cleanse; then fine-tune everything."""

from dataclasses import dataclass, field
from typing import ClassVar, Literal

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor

from unchaff.attribute.gaussians import ashman, posterior
from unchaff.copies import copied
from unchaff.errors import ConfigError
from unchaff.methods.beginning import as_it_began
from unchaff.methods.encoder import (
    Encoder,
    Pretraining,
    Probing,
    features,
    pretrained_encoder,
    probed,
    usable_head,
)  # fmt: skip
from unchaff.partition.keep import FEW, spare_classes
from unchaff.records import Cost, Observed, Outcome, Partition, Trained
from unchaff.samples import Samples
from unchaff.streams import Streams
from unchaff.train.loop import fit
from unchaff.train.optimizers import optimizer_of
from unchaff.train.passes import logits_of
from unchaff.train.phases import Cosine, Phase
from unchaff.train.targets import Weighted, generalised


@dataclass(frozen=True, kw_only=True)
class Turn:
    """Linear probing with the generalised cross-entropy, cleansing class by class, full fine-tuning.

    Source: Ahn et al., arXiv 2310.17668, algorithm 1: the frozen backbone, a mixture of two for each observed
    class, equal numbers of every class. Recalled, not seen: `tau`, and cleansing before every epoch.
    Inferred: the length of the fine-tuning, which is that of the recipe; weights of the classes instead of
    equal numbers where one has less than `fewest`; and what to do where no clean backbone came, for a
    network trained on these labels is none. The optimiser begins anew after each cleansing.
    """

    backbone: Literal["auto", "trained", "pretrain"] = "auto"  # auto: its own if pretrained, else no labels
    pretraining: Pretraining = field(default_factory=Pretraining)
    probe: Probing = field(default_factory=Probing)
    tau: float = 0.6  # probability of a clean label above which a sample is selected
    apart: float = 2.0  # Ashman's D of the two groups of a class under which it is one, and kept whole
    fewest: int = FEW  # selected samples of the smallest class under which classes are weighted, not cut
    epochs: float = 1.0  # of the fine-tuning, in those of the recipe, on what is selected
    recleanse_every: int | None = 1  # epochs; None: once, before fine-tuning
    augment: bool = True
    cites: ClassVar[tuple[str, ...]] = ("ahn2023finetuning", "zhang2018generalized", "chen2020simple")

    def __post_init__(self) -> None:
        if not 0 <= self.tau < 1:
            raise ConfigError(f"tau must be in [0, 1), got {self.tau}. The usual one is 0.6.")
        if self.epochs <= 0 or (self.recleanse_every is not None and self.recleanse_every < 1):
            raise ConfigError(
                "epochs must be above 0, and recleanse_every at least 1. For cleansing once pass None."
            )
        if self.apart < 0 or self.fewest < 1:
            raise ConfigError("apart must be 0 or more, fewest 1 or more. The usual ones are 2 and 10.")

    @property
    def anew(self) -> bool:
        """Whether it looks at no network that was trained on these labels."""
        return self.backbone != "trained"

    def __call__(self, trained: Trained, observed: Observed, *, streams: Streams) -> Outcome:
        """Probe, cleanse and fine-tune."""
        train, recipe = observed.train, trained.recipe_for(len(observed.train))
        encoder, note = self._backbone(trained, train, streams=streams)
        read = features(encoder, train)
        start = probed(encoder, read, self.probe, batch_size=recipe.batch_size, streams=streams.fork("probe"))
        model, logits, cost = start.model, start.logits, encoder.cost + read.cost + start.cost
        epochs = max(1, round(self.epochs * recipe.epochs))
        splits: list[Partition] = []
        for done in range(0, epochs, self.recleanse_every or epochs):
            if done:
                look = logits_of(model, train, name="cleanse")
                logits, cost = look.rows[:, : train.num_classes], cost + look.cost
            splits.append(self.cleansed(train, logits))
            lesson = self.lesson(train, splits[-1], draw=streams.per_id(f"draw {done}", train.ids))
            per_epoch = max(1, len(lesson.rows) // min(recipe.batch_size, len(lesson.rows)))
            phase = Phase(
                steps=min(self.recleanse_every or epochs, epochs - done) * per_epoch,
                first_step=done * per_epoch,
                lr=Cosine(steps=epochs * per_epoch, peak=recipe.lr, warmup=recipe.warmup),
                batch_size=recipe.batch_size,
                optimizer=optimizer_of(recipe),
                augment=self.augment,
                loss=None if lesson.weights is None else Weighted(lesson.weights),
            )
            fitted = fit(
                model, train.at(lesson.rows), phase, streams=streams.fork(f"epoch {done}"), name="fine-tune"
            )
            model, cost = fitted.model, cost + fitted.cost
        return Outcome(
            model=model.eval(),
            partition=splits[-1],
            cost=cost,
            notes=(note, splits[-1].reason),
            first=splits[0],
        )

    def _backbone(self, trained: Trained, samples: Samples, *, streams: Streams) -> tuple[Encoder, str]:
        """Return the layers before the last, and a sentence on where they come from."""
        head = usable_head(trained.model, samples)
        if self.backbone == "trained":
            note = "The backbone is that of the network as it came."
            return Encoder(copied(trained.model), head, Cost()), note
        if self.backbone == "auto" and trained.pretrained:
            seen = "" if trained.initial else " as it came: its layers may have seen these labels"
            return Encoder(as_it_began(trained), head, Cost()), f"The backbone is the pretrained one{seen}."
        note = (
            "The layers before the last were learned anew, without labels, for a network trained on these "
            "labels is no clean backbone."
        )
        return pretrained_encoder(trained, samples, self.pretraining, streams=streams), note

    def cleansed(self, samples: Samples, logits: Float[Tensor, "n classes"]) -> Partition:
        """Return which samples are selected by their losses."""
        labels = samples.labels.cpu()
        losses = generalised(logits.cpu(), labels, self.probe.q)
        quality = clean_probability(losses, labels, apart=self.apart)
        kept = spare_classes(quality > self.tau, -losses, labels)
        return Partition(
            ids=samples.ids,
            quality=quality,
            kept=kept,
            evidence={"loss": -losses},
            reason=f"Kept where the loss is in the lower group of its class (probability above {self.tau}).",
            threshold=self.tau,
        )

    def lesson(self, samples: Samples, split: Partition, *, draw: NDArray[np.float64]) -> "Balanced":
        """Return equal numbers of every class among the selected, or all of them with weights."""
        labels = samples.labels.cpu()
        counts = torch.bincount(labels[split.kept], minlength=samples.num_classes)
        smallest = int(counts[counts > 0].min())
        if smallest < self.fewest:
            rows = split.kept.nonzero().squeeze(1)
            weights = (1 / counts.double())[labels[rows]].float().to(samples.device)
            return Balanced(rows.numpy(), weights)
        number = torch.from_numpy(draw).masked_fill(~split.kept, float("inf"))
        drawn = [
            (labels == label).nonzero().squeeze(1)[number[labels == label].argsort(stable=True)[:smallest]]
            for label in labels.unique()
        ]
        return Balanced(torch.cat(drawn).sort().values.numpy(), None)


@dataclass(frozen=True)
class Balanced:
    """What an epoch learns from: no class more than another."""

    rows: NDArray[np.int64]
    weights: Float[Tensor, " m"] | None  # None: all alike


def clean_probability(
    losses: Float[Tensor, " n"], labels: Int[Tensor, " n"], *, apart: float
) -> Float[Tensor, " n"]:
    """Return the probability of the group with the lower losses, fitted within each observed class.

    One for all of a class where there is nothing to tell apart: less than ten samples, or two groups that
    lie less than `apart` from each other (Ashman's D).
    """
    clean = torch.ones_like(losses)
    for label in labels.unique():
        rows = (labels == label).nonzero().squeeze(1)
        if len(rows) >= FEW and ashman(-losses[rows]) > apart:
            clean[rows] = posterior(-losses[rows])
    return clean
