"""Networks that did not see a sample judge it: held-out probabilities, and what cleanlab makes of them."""

from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from unchaff.errors import ConfigError
from unchaff.extras import library
from unchaff.methods.anew import phase_within
from unchaff.methods.beginning import beginning
from unchaff.records import Cost, Evidence, Observed, Partition, Trained
from unchaff.samples import Samples
from unchaff.streams import Streams
from unchaff.train.initial import with_recipe
from unchaff.train.loop import fit
from unchaff.train.passes import logits_of

cleanlab = partial(library, extra="baselines", without="take another method or detector")


@dataclass(frozen=True)
class HeldOut:
    """What was said of each sample by the network that did not learn from it."""

    probabilities: Float[Tensor, "n classes"]
    cost: Cost


def held_out(
    trained: Trained,
    samples: Samples,
    *,
    folds: int,
    streams: Streams,
    length: float = 1.0,
    augment: bool | None = None,
) -> HeldOut:
    """Train a fresh network per fold on all other folds, by the recipe, and let it judge the fold.

    Args:
        trained: whose network and recipe are taken.
        samples: fall into folds by id.
        folds: how many.
        streams: of everything drawn.
        length: of each training, as a share of the recipe's epochs; one step at least.
        augment: whether inputs are changed at random; None: as in the recipe.
    """
    fold = (streams.per_id("folds", samples.ids) * folds).astype(np.int64)
    trained = with_recipe(trained, samples)
    augment = trained.recipe_for(len(samples)).augment if augment is None else augment
    probabilities = torch.zeros(len(samples), samples.num_classes)
    cost = Cost()
    for number in range(folds):
        inside, outside = np.flatnonzero(fold == number), np.flatnonzero(fold != number)
        if not len(inside):
            continue
        here, others = streams.fork(f"fold {number}"), samples.at(outside)
        phase = phase_within(trained, others, budget=length, augment=augment)
        fresh = beginning(trained, streams=here)
        fitted = fit(fresh, others, phase, streams=here, name=f"fold {number + 1}")
        said = logits_of(fitted.model, samples.at(inside), name=f"judge {number + 1}")
        probabilities[torch.from_numpy(inside)] = said.rows[:, : samples.num_classes].softmax(1).cpu()
        cost = cost + fitted.cost + said.cost
    return HeldOut(probabilities, cost)


@dataclass(frozen=True, kw_only=True)
class ConfidentLearning:
    """cleanlab's confident learning on probabilities of networks that did not see the sample.

    Costs a training per fold, each on all other folds. Source: Northcutt et al., arXiv 1911.00068; cleanlab.
    """

    folds: int = 3
    augment: bool | None = None  # in the trainings of the folds; None: as in the recipe

    def __post_init__(self) -> None:
        if self.folds < 2:
            raise ConfigError(f"folds must be at least 2, got {self.folds}. One is learned from, one judged.")

    def __call__(
        self, trained: Trained, observed: Observed, *, streams: Streams, length: float = 1.0
    ) -> Evidence:
        """Score each sample by the held-out probability of its label; higher is more trustworthy.

        `length` of each training is a share of the recipe's epochs.
        """
        rank, found = cleanlab("cleanlab.rank"), cleanlab("cleanlab.filter")
        samples, labels = observed.train, observed.train.labels.cpu()
        judged = held_out(
            trained, samples, folds=self.folds, streams=streams, length=length, augment=self.augment
        )
        given, probabilities = labels.numpy(), judged.probabilities.numpy()
        total = torch.from_numpy(rank.get_label_quality_scores(given, probabilities)).float()
        wrong = np.asarray(found.find_label_issues(given, probabilities, n_jobs=1), dtype=bool)
        return Evidence(
            ids=samples.ids,
            labels=labels,
            total=total,
            columns={"held_out_probability": total, "fit": torch.from_numpy(~wrong).float()},
            suggested=judged.probabilities.argmax(1),
            cost=judged.cost,
        )

    @staticmethod
    def split(evidence: Evidence) -> Partition:
        """Keep what the library calls no issue."""
        return Partition(
            ids=evidence.ids,
            quality=evidence.total.clamp(0, 1),
            kept=evidence.columns["fit"] > 0,
            suggested=evidence.suggested,
            evidence=evidence.columns,
            reason="What cleanlab calls no label issue.",
        )
