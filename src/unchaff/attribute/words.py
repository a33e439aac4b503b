"""Which words a text holds: what can be said of it before a network learned it by heart."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from unchaff.samples import Samples

MOST = 1024  # words that are looked for
BATCH = 4096


@dataclass(frozen=True)
class Frequent:
    """The words that occur in most texts.

    Word vectors that were learned from noisy labels have memorised them, unlike the early layers of a
    network for pictures or sound, which must serve all samples alike. The words themselves have not.
    """

    places: Int[Tensor, " numbers"]  # of each word number among the frequent; `size` or above: none
    size: int  # frequent words, at most `MOST`

    @classmethod
    def of(cls, samples: Samples) -> "Frequent":
        """Count in how many texts each number occurs; what stands for nothing is left out."""
        counts = torch.zeros(0, dtype=torch.long, device=samples.device)
        for batch in samples.batches(BATCH):
            numbers = batch.inputs.long().sort(dim=1).values
            first = torch.ones_like(numbers, dtype=torch.bool)
            first[:, 1:] = numbers[:, 1:] != numbers[:, :-1]
            found = torch.bincount(numbers[first], minlength=len(counts))
            found[: len(counts)] += counts
            counts = found
        if samples.kind.pad is not None and samples.kind.pad < len(counts):
            counts[samples.kind.pad] = 0
        order = counts.argsort(descending=True, stable=True)
        places = torch.empty_like(order)
        places[order] = torch.arange(len(order), device=order.device)
        size = min(MOST, int((counts > 0).sum()))
        return cls(places.clamp(max=size), size)

    def presence(self, words: Int[Tensor, "b length"]) -> Float[Tensor, "b words"]:
        """Return 1 where a text holds a word, else 0."""
        held = torch.zeros(len(words), self.size + 1, device=words.device)
        return held.scatter_(1, self.places[words.long()], 1.0)[:, : self.size]
