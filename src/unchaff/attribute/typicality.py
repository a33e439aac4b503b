"""Is the input itself like the others? Channel statistics of an early layer."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from unchaff.attribute.gaussians import ashman, posterior
from unchaff.attribute.observe import Walk
from unchaff.attribute.readout import Readout
from unchaff.records import Evidence, Observed, Trained
from unchaff.streams import Streams


@dataclass(frozen=True, kw_only=True)
class Typicality:
    """Input channel: how far the statistics of an early layer lie from the others, as log Mahalanobis form.

    Which side is bad is not read from the distance (destroyed inputs are all alike and may lie in the
    middle), but from the labels: the component whose labels the read-out confirms less is the worse one.

    Source: ours; the distance is that of Lee et al., arXiv 1807.03888, without classes.
    """

    separation: float = 2.0  # Ashman's D above which the two components count as apart

    def __call__(self, trained: Trained, observed: Observed, *, streams: Streams) -> Evidence:
        """Return the sign-corrected distance; higher is more trustworthy."""
        walk = Walk(trained.model, observed.train, 0.5)
        labels = Readout().of(walk)
        evidence = self.of(walk, labels)
        return replace(evidence, cost=labels.cost + evidence.cost)

    def of(self, walk: Walk, label_evidence: Evidence) -> Evidence:
        """Score from a shared walk; `label_evidence` names the worse component."""
        distance = log_distance(walk)
        far = posterior(distance)
        spoken_for = label_evidence.total
        mean_far = float((spoken_for * far).sum() / far.sum().clamp_min(1e-9))
        mean_near = float((spoken_for * (1 - far)).sum() / (1 - far).sum().clamp_min(1e-9))
        total = distance if mean_far >= mean_near else -distance
        return Evidence(
            ids=label_evidence.ids,
            labels=label_evidence.labels,
            total=total,
            columns={"typicality": total},
            cost=walk.bill(),
        )

    def acts(self, evidence: Evidence) -> bool:
        """Return whether the two components are so far apart that some inputs must be spoiled."""
        return ashman(evidence.total) > self.separation


def log_distance(walk: Walk) -> Tensor:
    """Return log of the Mahalanobis form of the channel statistics of each sample."""
    count, first, second = 0, torch.zeros(()), torch.zeros(())
    for chunk in walk:
        moments = chunk.moments.double().cpu()
        count += len(moments)
        first = first + moments.sum(0)
        second = second + moments.T @ moments
    mean = first / count
    covariance = second / count - mean[:, None] * mean
    ridge = 1e-6 * covariance.diagonal().mean().clamp_min(1e-12)
    precision = torch.linalg.inv(covariance + ridge * torch.eye(len(mean), dtype=torch.float64))
    parts = []
    for chunk in walk:
        centred = chunk.moments.double().cpu() - mean
        form = ((centred @ precision) * centred).sum(1)
        parts.append(form.clamp_min(1e-12).log().float())
    return torch.cat(parts)
