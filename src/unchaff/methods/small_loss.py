"""Train briefly, keep what then has a small loss, and train a fresh network on it."""

from dataclasses import dataclass
from typing import ClassVar

from torch.nn import functional

from unchaff.attribute.betas import small
from unchaff.errors import ConfigError
from unchaff.methods.anew import checked_budget, fitted_anew, phase_for, phase_within
from unchaff.partition.keep import spare_classes
from unchaff.records import Observed, Outcome, Partition, Trained
from unchaff.samples import Samples
from unchaff.streams import Streams
from unchaff.train.initial import full_cost, with_recipe
from unchaff.train.passes import Pass, logits_of


@dataclass(frozen=True, kw_only=True)
class SmallLoss:
    """A short training tells small losses from large ones; a whole one learns from the small.

    Wrong labels are learned last, so after a short training their losses are large. Two beta distributions
    are fitted to the losses, and the samples of the smaller one are kept.

    Source: Arazo et al., arXiv 1904.11238, equations 2 to 6 for the mixture. INFERred: the length of the
    short training, annealed as a whole, and that the second begins anew; without mixup and bootstrapping.
    A mixture always finds two groups, also where no label is wrong.
    """

    warmup: float = 0.5  # share of one full training that the short one takes
    threshold: float = 0.5  # keep where the probability of the smaller group is above
    augment: bool = True
    budget: float = 1.5  # operations of everything, as a share of one full training
    cites: ClassVar[tuple[str, ...]] = ("arazo2019unsupervised",)
    anew: ClassVar[bool] = True  # it looks at no finished network

    def __post_init__(self) -> None:
        checked_budget(self.budget)
        if not 0 < self.warmup < self.budget:
            raise ConfigError(
                f"warmup must lie between 0 and the budget of {self.budget:g}, got {self.warmup}: "
                "what it leaves is for learning from the kept samples."
            )
        if not -1 <= self.threshold < 1:
            raise ConfigError(f"threshold must be below 1, got {self.threshold}. Below 0 keeps all.")

    def __call__(self, trained: Trained, observed: Observed, *, streams: Streams) -> Outcome:
        """Train briefly, split, and train anew."""
        train, trained = observed.train, with_recipe(trained, observed.train)
        brief = phase_within(trained, train, budget=self.warmup, augment=self.augment)
        first = fitted_anew(trained, train, brief, streams=streams, name="warm-up")
        seen = logits_of(first.model.eval(), train, name="losses")
        split = self._split(train, seen)
        spent = first.cost + seen.cost
        kept = train.select(split.kept_ids)
        left = self.budget * full_cost(trained, train).flops - spent.flops
        phase = phase_for(trained, kept, flops=left, augment=self.augment)
        fitted = fitted_anew(trained, kept, phase, streams=streams, name="retrain")
        return Outcome(
            model=fitted.model.eval(), partition=split, cost=spent + fitted.cost, notes=(split.reason,)
        )

    def _split(self, samples: Samples, seen: Pass) -> Partition:
        labels = samples.labels.cpu()
        losses = functional.cross_entropy(seen.rows.cpu(), labels, reduction="none")
        quality = small(losses)
        kept = spare_classes(quality > self.threshold, -losses, labels)
        return Partition(
            ids=samples.ids,
            quality=quality,
            kept=kept,
            evidence={"log_probability": -losses},
            reason=(
                f"After a short training {float(kept.double().mean()):.1%} of the samples have a loss of the "
                "smaller group, and are kept."
            ),
            threshold=self.threshold,
        )
