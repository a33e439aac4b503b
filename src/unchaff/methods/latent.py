"""What methods share that take the true label for hidden: beliefs by sample, the split, the length."""

from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from unchaff.nets.flops import count
from unchaff.partition.keep import spare_classes
from unchaff.records import Partition, Trained
from unchaff.samples import Batch, Samples
from unchaff.train.initial import steps_of
from unchaff.train.tutor import Tutor

LIKELY = 0.5  # a given label that is more probably right than wrong is kept


class Believing(Tutor):
    """Remembers of each sample the mean of what was believed of its true label, visit by visit."""

    kept: ClassVar[tuple[str, ...]] = ("belief", "visits", "given")

    def __init__(self, belief: Float[Tensor, "n classes"], generator: torch.Generator | None = None) -> None:
        """Begin with a belief that holds until the first visit."""
        super().__init__(generator)
        self.belief = belief.float().clone()
        self.visits = torch.zeros(len(belief), 1, device=belief.device)
        self.given = torch.full_like(self.belief[:, 0], torch.nan)  # what the network gave each label last

    def rows_of(self, batch: Batch) -> Tensor:
        """Return where the samples of a batch are remembered."""
        return torch.from_numpy(batch.rows).to(self.belief.device)

    def notice(self, rows: Tensor, said: Float[Tensor, "b classes"], labels: Tensor) -> None:
        """Write down how probable the network calls the given labels, of its log-probabilities."""
        self.given[rows] = said.gather(1, labels[:, None]).squeeze(1).exp()

    def giving(self) -> float:
        """Return how probable the network called the given labels in the mean, of samples it was shown."""
        met = self.given[~self.given.isnan()]
        return float(met.mean()) if len(met) else 0.0

    def remember(self, rows: Tensor, posterior: Float[Tensor, "b classes"]) -> None:
        """Take what is believed now into the mean."""
        self.visits[rows] += 1
        self.belief[rows] += (posterior.float() - self.belief[rows]) / self.visits[rows]

    def judged(self, samples: Samples, reason: str, evidence: dict[str, Tensor] | None = None) -> Partition:
        """Return the split: quality is the probability that the given label is the true one."""
        labels, belief = samples.labels.cpu(), self.belief.cpu()
        quality = belief.gather(1, labels[:, None]).squeeze(1).clamp(0, 1)
        kept = spare_classes(quality > LIKELY, quality, labels)
        wrong = float(1 - quality.double().mean())
        return Partition(
            ids=samples.ids,
            quality=quality,
            kept=kept,
            suggested=belief.argmax(1),
            evidence={name: each.cpu().float() for name, each in (evidence or {}).items()},
            reason=f"{reason} {wrong:.1%} of the {len(labels)} labels as given look wrong.",
            threshold=LIKELY,
        )


def steps_within(trained: Trained, samples: Samples, *, budget: float, looks: int) -> int:
    """Return the optimizer steps that a budget pays for beside so many passes over all samples; at least 2.

    Args:
        trained: whose recipe it is.
        samples: to learn from.
        budget: share of the operations of one full training.
        looks: forward passes over all samples.
    """
    recipe = trained.recipe_for(len(samples))
    each = count(trained.model, next(samples.batches(2)).inputs)
    batch = min(recipe.batch_size, len(samples))
    look = each.forward / max(each.training, 1.0) * len(samples) / batch  # in steps
    return max(2, round(budget * steps_of(recipe, len(samples)) - looks * look))
