"""Wrong labels that depend on the input."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from scipy.stats import truncnorm

from unchaff.errors import NoiseError
from unchaff.noise.base import checked_rate, choices, lowest, present, relabelled
from unchaff.records import Truth
from unchaff.samples import Samples
from unchaff.streams import Streams


@dataclass(frozen=True)
class InstanceDependent:
    """Each sample has its own rate, and a wrong label that a random projection of its input chooses.

    q_i is drawn from Normal(rate, 0.1) cut to [0, 1]; a matrix per true class scores the classes. Where
    the generator this follows flips each sample with u_i < q_i, exactly `round(rate * n)` with the
    lowest u_i / q_i are flipped here.

    Source: the projection type of Xia et al., arXiv 2006.07836. Inputs are standardised
    per sample, where that generator takes them as the network does.
    """

    rate: float  # share of wrong labels, in [0, 1]
    spread: float = 0.1

    def __post_init__(self) -> None:
        checked_rate(self.rate)
        if not 0 < self.spread < math.inf:
            raise NoiseError(f"spread must be above 0, got {self.spread}. The usual value is 0.1.")

    def __call__(self, clean: Samples, *, streams: Streams) -> tuple[Samples, Truth]:
        """Plant."""
        labels = clean.labels.cpu().numpy()
        if self.rate == 0:
            return relabelled(clean, labels.copy())
        low, high = -self.rate / self.spread, (1 - self.rate) / self.spread
        own = streams.per_id("instance/rate", clean.ids)
        rates = truncnorm.ppf(own, low, high, loc=self.rate, scale=self.spread)
        wrong = choices(streams.per_id("instance/class", clean.ids), self._scores(clean, streams))
        eagerness = streams.per_id("instance/flip", clean.ids) / np.maximum(rates, 1e-12)
        hit = lowest(eagerness, np.arange(len(clean)), self.rate)
        given = labels.copy()
        given[hit] = wrong[hit]
        return relabelled(clean, given)

    def _scores(self, clean: Samples, streams: Streams) -> np.ndarray:
        """Return the probability of each wrong class, (n, classes), 0 for the right and for absent ones."""
        size = int(np.prod(clean.kind.shape))
        rng = streams("instance/projection")
        projection = torch.randn(clean.num_classes, size, clean.num_classes, generator=rng)
        absent = np.setdiff1d(np.arange(clean.num_classes), present(clean))
        parts = []
        for batch in clean.batches(clean.at_once(256)):
            flat = batch.inputs.flatten(1).float().cpu()
            flat = (flat - flat.mean(1, keepdim=True)) / flat.std(
                1, keepdim=True, correction=min(1, size - 1)
            ).clamp_min(1e-6)
            labels = batch.labels.cpu()
            scores = torch.empty(len(flat), clean.num_classes)
            for label in labels.unique():
                rows = labels == label
                scores[rows] = flat[rows] @ projection[label]
            scores[torch.arange(len(flat)), labels] = float("-inf")
            scores[:, absent] = float("-inf")
            parts.append(scores.softmax(1))
        return torch.cat(parts).double().numpy()
