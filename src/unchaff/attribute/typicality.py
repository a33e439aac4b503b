"""Is the input itself like the others? Channel statistics of an early layer."""

import warnings
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from jaxtyping import Float
from sklearn.decomposition import FastICA
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture
from torch import Tensor

from unchaff.attribute.chunks import Chunk
from unchaff.attribute.gaussians import ashman, posterior
from unchaff.attribute.groups import by_class, by_length
from unchaff.attribute.inputs import are_columns
from unchaff.attribute.observe import Walk
from unchaff.attribute.passes import added, noted
from unchaff.attribute.readout import Readout
from unchaff.filled import Filled
from unchaff.records import Evidence, Observed, Trained
from unchaff.samples import Kind
from unchaff.streams import Streams

DIRECTIONS = 20  # principal components that are searched
LIMIT = 10_000  # samples the directions are found on
APART_COLUMNS = 3.0  # Ashman's D of the distances of columns; long-tailed ones pass 2 without noise
PER_AXIS = 20  # samples for each component among which a direction is sharpened; with few, chance looks clear
FLOOR = 1e-6  # of a variance of a component, all of which are 1
PER_STATISTIC = 5  # samples for each statistic that varies, from which on distances tell them apart
MOST = 0.75  # of the inputs can be unlike the others


@dataclass(frozen=True, kw_only=True)
class Typicality:
    """Input channel: how far the statistics of an early layer lie from the others.

    Two kinds of difference are looked for: independent directions along which the samples fall into two
    groups, each given class centred, and a distance (log Mahalanobis form). A direction that is clear
    goes before the distance. Which side is bad is not read from the statistics (destroyed inputs are all
    alike and may lie in the middle), but from the labels: the group whose labels the read-out confirms
    less is the worse. Texts are not judged: they fall into groups by what they say, and by their length, for
    padding shows in every statistic. Clips are not where the worse group is that of the short ones, and
    nothing is where the worse group is that of some classes.

    Source: ours; the distance is that of Lee et al., arXiv 1807.03888, without classes; independent
    components by Hyvarinen, IEEE TNN 10 (1999), FastICA; what they begin, a mixture ends.
    """

    apart: float = 2.0  # Ashman's D of the distance above which two groups count as apart
    apart_along: float = 3.5  # the same along a direction, which was made to be two-sided

    def __call__(self, trained: Trained, observed: Observed, *, streams: Streams) -> Evidence:
        """Return the sign-corrected difference; higher is more trustworthy."""
        walk = Walk(trained.model, observed.train, 0.5, hears=False, taps=trained.taps)
        labels = Readout().of(walk)
        evidence = self.judge(walk, labels).evidence
        return replace(evidence, cost=labels.cost + evidence.cost)

    def judge(self, walk: Walk, labels: Evidence) -> "Judged":
        """Score from a shared walk; `labels` is the evidence that names the worse group."""
        with walk.timed():
            total, acts = self._total(walk, labels)
        evidence = Evidence(
            ids=labels.ids,
            labels=labels.labels,
            total=total,
            columns={"typicality": total},
            cost=walk.bill(),
        )
        return Judged(evidence, acts=acts)

    def _total(self, walk: Walk, labels: Evidence) -> tuple[Float[Tensor, " n"], bool]:
        """Return the sign-corrected difference, and whether it acts."""
        statistics = Statistics.of(walk)
        found = noted(walk, partial(statistics.differences, direction=statistics.direction())).numbers
        distance, along = found["distance"], found.get("along")
        kind = walk.samples.kind
        apart = max(self.apart, APART_COLUMNS) if are_columns(kind) else self.apart
        difference, acts = distance, statistics.are_many and ashman(distance) > apart
        if along is not None and ashman(along) > self.apart_along:
            difference, acts = along, True
        upper = posterior(difference)
        mean_upper = float((labels.total * upper).sum() / upper.sum().clamp_min(1e-9))
        mean_lower = float((labels.total * (1 - upper)).sum() / (1 - upper).sum().clamp_min(1e-9))
        total = -difference if mean_upper < mean_lower else difference
        worse = 1 - posterior(total)  # as the split reads it: a fit to the negative is not the mirror image
        acts = acts and not _are_words(kind) and float(worse.mean()) <= MOST
        acts = acts and not ("filled" in found and by_length(found["filled"], worse))
        return total, acts and not by_class(labels.total, labels.labels, worse)


@dataclass(frozen=True)
class Judged:
    """What the inputs say, and whether they say it clearly."""

    evidence: Evidence
    acts: bool  # the two groups are so far apart that some inputs must be spoiled


@dataclass(frozen=True)
class Statistics:
    """Moments of the channel statistics over all samples, and a sample of them to search."""

    mean: Float[Tensor, " m"]
    precision: Float[Tensor, "m m"]
    class_means: Float[Tensor, "classes m"]
    some: Float[Tensor, "s m"]  # each minus the mean of its given class
    has_channels: bool  # they are statistics over places or frames, not the features themselves
    are_many: bool  # samples, for each statistic: with few, all are equally far from the mean

    @classmethod
    def of(cls, walk: Walk) -> "Statistics":
        """Walk once and add up."""
        count = len(walk.samples)
        sums = _Moments(walk.samples.num_classes, count, every=-(-count // LIMIT))
        added(walk, sums, sums.add)
        return sums.result()

    def differences(self, chunk: Chunk, direction: Float[Tensor, " m"] | None) -> dict[str, Tensor]:
        """Return the distance of each sample, and its place along a direction.

        The distance is the log of the Mahalanobis form.
        """
        moments, labels = chunk.moments.double().cpu(), chunk.labels.cpu()
        centred = moments - self.mean
        form = ((centred @ self.precision) * centred).sum(1)
        found = {"distance": form.clamp_min(1e-12).log().float()}
        if chunk.filled is not None:
            found["filled"] = chunk.filled.cpu()
        if direction is not None:
            found["along"] = ((moments - self.class_means[labels]) @ direction).float()
        return found

    def direction(self) -> Float[Tensor, " m"] | None:
        """Find the independent direction with the two clearest groups on a sample, and return it sharpened.

        None where the features themselves are read, or where too few samples are there to find one.
        """
        if not self.has_channels:
            return None
        centred = self.some - self.some.mean(0)
        _, deviations, axes = torch.linalg.svd(centred, full_matrices=False)
        live = deviations.square() > 1e-6 * deviations.square().sum()
        if len(centred) < 5 * DIRECTIONS or int(live.sum()) < 2:
            return None
        scaled = axes[live].T / (deviations[live] / np.sqrt(len(centred)))
        many, scaled = scaled[:, : len(centred) // PER_AXIS], scaled[:, :DIRECTIONS]
        white = (centred @ scaled).numpy()
        with warnings.catch_warnings():  # that it has not converged: then nothing stands out
            warnings.simplefilter("ignore")
            search = FastICA(whiten="unit-variance", random_state=0, max_iter=500).fit(white)
        directions = scaled @ torch.from_numpy(np.asarray(search.components_, dtype=np.float64)).T
        clearness = [ashman((centred @ each).float()) for each in directions.T]
        return sharpened(centred, directions[:, int(np.argmax(clearness))], many)


def sharpened(
    centred: Float[Tensor, "s m"], direction: Float[Tensor, " m"], scaled: Float[Tensor, "m k"]
) -> Float[Tensor, " m"]:
    """Return the direction that parts the two groups best which are seen along the one given.

    A mixture of two Gaussians of one covariance begins with these groups and is fitted to the end; its
    linear discriminant is the direction. Where there are two groups they come out several times as clear,
    for all statistics speak; where there is one, nothing does.

    Args:
        centred: of the samples.
        direction: to begin with.
        scaled: gives the components that are searched: too many for the samples would part them by chance.
    """
    seen, upper = centred @ scaled, posterior((centred @ direction).float()).double()
    weights = torch.stack([upper, 1 - upper])
    if float(weights.sum(1).min()) < 2:
        return direction
    means = (weights @ seen) / weights.sum(1, keepdim=True)
    apart = [(seen - mean) * weight[:, None].sqrt() for mean, weight in zip(means, weights, strict=True)]
    within = (apart[0].T @ apart[0] + apart[1].T @ apart[1]) / len(seen)
    mixture = GaussianMixture(
        2, covariance_type="tied", reg_covar=FLOOR, tol=1e-4, random_state=0,
        weights_init=(weights.sum(1) / len(seen)).numpy(), means_init=means.numpy(),
        precisions_init=torch.linalg.inv(within + FLOOR * torch.eye(len(within), dtype=within.dtype)).numpy(),
    )  # fmt: skip
    with warnings.catch_warnings():  # that it has not converged: then nothing stands out
        warnings.simplefilter("ignore", ConvergenceWarning)
        mixture.fit(seen.numpy())
    return scaled @ torch.from_numpy(mixture.precisions_ @ (mixture.means_[0] - mixture.means_[1]))


def _are_words(kind: Kind) -> bool:
    """Return whether a sample is numbers that stand for words, given alone or by name."""
    if kind.layout is None:
        return kind.name == "text"
    return not any(part.dtype.is_floating_point for part in kind.layout.parts)


class _Moments:
    """Sums over the samples so far, and the statistics of every so-manieth."""

    def __init__(self, classes: int, count: int, *, every: int) -> None:
        self._classes, self._every = classes, every
        self._sums: dict[str, Tensor] = {}
        self._some, self._given = (Filled(-(-count // every)) for _ in range(2))
        self._has_channels = False

    def add(self, chunk: Chunk) -> None:
        """Take in some samples."""
        moments, labels = chunk.moments.double().cpu(), chunk.labels.cpu()
        one_hot = torch.nn.functional.one_hot(labels, self._classes).double()
        here = {
            "count": torch.tensor(len(moments)),
            "first": moments.sum(0),
            "second": moments.T @ moments,
            "sums": one_hot.T @ moments,
            "counts": one_hot.sum(0),
        }
        self._sums = {name: self._sums[name] + each if self._sums else each for name, each in here.items()}
        chosen = torch.from_numpy(chunk.rows % self._every == 0)
        self._some.add(moments[chosen])
        self._given.add(labels[chosen])
        self._has_channels = chunk.has_channels

    def state(self) -> dict[str, Tensor]:
        """Return all that was taken in."""
        return {
            **self._sums,
            "some": self._some.rows,
            "given": self._given.rows,
            "has_channels": torch.tensor(self._has_channels),
        }

    def restore(self, state: dict[str, Tensor]) -> None:
        """Go on from such a state."""
        apart = ("some", "given", "has_channels")
        self._some.add(state["some"])
        self._given.add(state["given"])
        self._has_channels = bool(state["has_channels"])
        self._sums = {name: each for name, each in state.items() if name not in apart}

    def result(self) -> Statistics:
        """Return the statistics of all samples."""
        sums, count = self._sums, int(self._sums["count"])
        mean = sums["first"] / count
        covariance = sums["second"] / count - mean[:, None] * mean
        ridge = 1e-6 * covariance.diagonal().mean().clamp_min(1e-12)
        precision = torch.linalg.inv(covariance + ridge * torch.eye(len(mean), dtype=torch.float64))
        class_means = sums["sums"] / sums["counts"].clamp_min(1)[:, None]
        centred = self._some.rows - class_means[self._given.rows]
        rank = int(torch.linalg.matrix_rank(covariance, hermitian=True, rtol=1e-6))
        are_many = count >= PER_STATISTIC * rank
        return Statistics(mean, precision, class_means, centred, self._has_channels, are_many)
