"""One network that doubts the labels of high loss and teaches itself there, from weak to strong views."""

from dataclasses import dataclass, replace
from math import ceil
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from unchaff.attribute.gaussians import posterior
from unchaff.errors import ConfigError, NeedsError
from unchaff.methods.anew import checked_budget, phase_of
from unchaff.methods.beginning import beginning
from unchaff.nets import flops
from unchaff.partition.keep import spare_classes
from unchaff.partition.mixture import class_adjusted
from unchaff.records import Observed, Outcome, Partition, Trained
from unchaff.samples import Batch, Samples
from unchaff.streams import Streams
from unchaff.train.initial import steps_of
from unchaff.train.loop import fit
from unchaff.train.passes import Pass, logits_of
from unchaff.train.strong import can_change
from unchaff.train.tutor import Tutor

USED = 0.9  # share of the budget that whole epochs must use


@dataclass(frozen=True, kw_only=True)
class DivideLite:
    """A whole training; after a warm-up a mixture of the losses splits the samples anew each epoch.

    Kept samples are learned with their given label in the weak view. Of the others the network names the
    class in the weak view, and where it is sure it learns that class in the strong view.

    Source: Li et al., arXiv 2002.07394, section 3.1 (the mixture), and Sohn et al., arXiv 2001.07685,
    equations 3 and 4 (the pseudo-labels). Left out of DivideMix: the second network, mixup, the refined
    labels of kept samples, the penalties. Ours: losses are compared within their class (`adjust`), the
    warm-up is a share of the epochs, and a batch holds kept and other samples as they come, each of the
    same weight.
    """

    budget: float = 2.0  # share of the operations of one full training; two views cost twice
    warmup: float = 0.4  # share of the epochs on all labels: ten of 24
    every: int = 1  # epochs between two splits
    threshold: float = 0.5  # keep where the probability of the low-loss component is above; below 0: all
    confidence: float = 0.95  # learn a pseudo-label from there on
    weight: float = 1.0  # of the pseudo-labels
    adjust: bool = True  # losses less the mean of their class: a class learned late is not doubted whole
    cites: ClassVar[tuple[str, ...]] = ("li2020dividemix", "sohn2020fixmatch")
    anew: ClassVar[bool] = True  # it looks at no finished network

    def __post_init__(self) -> None:
        checked_budget(self.budget)
        if not (0 <= self.warmup <= 1 and 0 < self.confidence <= 1 and self.every >= 1 and self.weight >= 0):
            raise ConfigError(
                "warmup must be in [0, 1], confidence in (0, 1], every at least 1 and weight at least 0, got "
                f"{self.warmup}, {self.confidence}, {self.every} and {self.weight}."
            )

    def __call__(self, trained: Trained, observed: Observed, *, streams: Streams) -> Outcome:
        """Train anew."""
        samples = observed.train
        if not can_change(samples):
            raise NeedsError(
                "divide-lite needs two views of a sample, and nothing is known that leaves the label of "
                f"{samples.kind} right. Give an augmentation."
            )
        phase = phase_of(trained, samples, steps=self.steps(trained, samples), augment=True)
        tutor = Divider(self, samples, phase.steps / max(1, len(samples) // phase.batch_size))
        fitted = fit(
            beginning(trained, streams=streams),
            samples,
            replace(phase, views=("weak", "strong"), loss=tutor),
            streams=streams.fork("divide"),
            name="train",
            watcher=tutor,
        )
        model = fitted.model.eval()
        said = logits_of(model, samples, name="split")
        split = tutor.split(said)
        cost = fitted.cost + tutor.cost + said.cost
        return Outcome(model=model, partition=split, cost=cost, notes=(split.reason,))

    def first(self, epochs: float) -> int:
        """Return the epoch after which the samples are split first."""
        return max(1, round(self.warmup * epochs))

    def steps(self, trained: Trained, samples: Samples) -> int:
        """Return as many steps as the budget holds, each split included; one at least.

        They are whole epochs, unless these exceed the budget or leave more than a tenth of it.
        """
        operations = flops.count(trained.model, next(samples.batches(2)).inputs)
        look = operations.forward / operations.training  # a pass, in those of an epoch
        recipe = trained.recipe_for(len(samples))
        allowed = self.budget * recipe.epochs
        epoch = steps_of(replace(recipe, epochs=1), len(samples))
        for unit in (epoch, 1):
            steps = max(1, int(allowed / 2 * epoch / unit)) * unit
            while steps > unit and self.price(steps / epoch, look) > allowed:
                steps -= unit
            if USED * allowed <= self.price(steps / epoch, look) <= allowed:
                break
        return steps

    def price(self, epochs: float, look: float) -> float:
        """Return what so many epochs take, and what the splits take beside them, in epochs of one view."""
        return 2 * epochs + look * self.looks(epochs)

    def looks(self, epochs: float) -> int:
        """Return how often the samples are split in so many epochs, and once at the end."""
        return sum(self.is_due(epoch, epochs) for epoch in range(1, ceil(epochs))) + 1

    def is_due(self, epoch: int, epochs: float) -> bool:
        """Return whether the samples are split after an epoch that does not end the training."""
        first = self.first(epochs)
        return first <= epoch < epochs and (epoch - first) % self.every == 0


class Divider(Tutor):
    """Knows which samples are kept, and looks again between epochs."""

    kept: ClassVar[tuple[str, ...]] = ("trusted",)

    def __init__(self, method: DivideLite, samples: Samples, epochs: float) -> None:
        super().__init__()
        self._method, self._samples, self._epochs = method, samples, epochs
        self.trusted = torch.ones(len(samples), dtype=torch.bool, device=samples.device)

    def __call__(self, outputs: Tensor, batch: Batch) -> Float[Tensor, " b"]:
        """Return the loss of each sample: of its given label, or of what the network makes of it."""
        weak, strong = outputs.float().chunk(2)
        rows = torch.from_numpy(batch.rows).to(self.trusted.device)
        given = functional.cross_entropy(weak, batch.labels, reduction="none")
        said = pseudo(weak.detach(), strong, self._method.confidence)
        return torch.where(self.trusted[rows], given, self._method.weight * said)

    def look(self, model: nn.Module) -> None:
        """Split anew by the losses, once the warm-up is over."""
        if not self._method.is_due(self.epoch, self._epochs):
            return
        said = logits_of(model, self._samples, name="split")
        self.spend(said.cost.samples_seen, said.cost.flops, "split")
        self.trusted = self.split(said).kept.to(self.trusted.device)

    def split(self, said: Pass) -> Partition:
        """Split by the losses of the given labels."""
        labels = self._samples.labels
        logits = said.rows[:, : self._samples.num_classes]
        own = functional.cross_entropy(logits, labels, reduction="none").cpu()
        doubt = own if not self._method.adjust else -class_adjusted(-own, labels.cpu())
        quality = posterior(-doubt)
        kept = spare_classes(quality > self._method.threshold, -doubt, labels.cpu())
        return Partition(
            ids=self._samples.ids,
            quality=quality,
            kept=kept,
            suggested=logits.argmax(1).cpu(),
            evidence={"loss": own},
            reason=f"Kept where the low-loss component is likelier than {self._method.threshold:g}.",
            threshold=self._method.threshold,
        )


def pseudo(
    weak: Float[Tensor, "b classes"], strong: Float[Tensor, "b classes"], confidence: float
) -> Float[Tensor, " b"]:
    """Return the loss of the strong view against what the weak view names; 0 where it is not sure."""
    sure, named = weak.softmax(1).max(1)
    loss = functional.cross_entropy(strong, named, reduction="none")
    return loss * (sure >= confidence)
