"""Quality as the probability that the given label is the true one, under a learned noise transition."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from unchaff.errors import ConfigError
from unchaff.partition.believed import believed
from unchaff.partition.keep import spare_classes, spared
from unchaff.partition.mixture import everything, scaled
from unchaff.records import Evidence, Partition

BLIND = "What is read of the samples does not tell the classes apart: nothing is judged."
DIFFUSE = 0.2  # share of wrong labels above which there is noise, though of no label it is sure


@dataclass(frozen=True, kw_only=True)
class Transition:
    """Keep what is probably labelled right, given how labels of each class were changed into others.

    True labels are hidden; the opinions in the evidence say which class a sample shows, a matrix says how
    often each class was given each label, and both are fitted to the given labels (`latent`). Quality is
    the posterior of the given label, so that a class whose label was rarely given to others is trusted
    more than one that swallowed half of its neighbour. Abstains, keeping everything, where hardly any
    label is surely wrong and the learned rate of noise is low; where classes are hard to tell apart, as
    of texts, the rate alone can show that there is noise.

    Source: ours; see `latent` for what it is made of.
    """

    threshold: float = 0.65  # keep where quality is above
    sure: float = 0.05  # a label with lower quality is surely wrong
    floor: float = 0.005  # share of surely wrong labels under which there is no evidence of noise
    fewest: int = 3  # and their number

    def __call__(self, evidence: Evidence) -> Partition:
        """Split.

        Raises:
            ConfigError: the evidence holds no opinion per class.
        """
        if not evidence.opinions:
            raise ConfigError("Transition needs opinions per class. Use the readout, or split by Mixture.")
        labels, size = evidence.labels.cpu().long(), len(evidence.labels)
        if size == 0:
            return everything(evidence, "There is no sample to judge.")
        found = believed(list(evidence.opinions.values()), labels, evidence.ids)
        if not found.agrees:
            return everything(evidence, BLIND)
        quality = found.quality
        tally = self.tally(quality)
        if not self.is_noisy(tally):
            return everything(evidence, self.said(tally), quality=scaled(quality, tally.wrong / size))
        above = quality > self.threshold
        kept = spare_classes(above, quality, labels)
        return Partition(
            ids=evidence.ids,
            quality=quality,
            kept=kept,
            suggested=found.suggested,
            evidence=evidence.columns,
            reason=self.said(tally, found.fitted_on, spared=spared(int(kept.sum()), int(above.sum()))),
            threshold=self.threshold,
        )

    def tally(self, quality: Float[Tensor, " n"]) -> "Tally":
        """Return what the decision rests on; the tallies of parts add up to that of the whole."""
        doubt = float((1 - quality.double()).sum())
        return Tally(len(quality), int((quality < self.sure).sum()), doubt)

    def is_noisy(self, tally: "Tally") -> bool:
        """Whether there is evidence of noise."""
        return tally.wrong >= max(self.fewest, self.floor * tally.size) or tally.rate > DIFFUSE

    def said(self, tally: "Tally", fitted_on: int | None = None, *, spared: str = "") -> str:
        """Return what was found; `fitted_on`: samples the noise was learned from, `spared`: what to add."""
        size, wrong = tally.size, tally.wrong
        if not self.is_noisy(tally):
            return (
                f"No evidence of noise: {wrong / size:.2%} of the labels are surely wrong, below the floor "
                f"of {min(max(self.fewest / size, self.floor), 1):.1%}."
            )
        found = (
            f"Of the {size} labels as given, {tally.rate:.1%} look wrong; kept where quality is above "
            f"{self.threshold}.{spared}"
        )
        if fitted_on is None or fitted_on == size:
            return found
        return f"{found} The noise was learned from {fitted_on} of the {size} samples, drawn by id."


@dataclass(frozen=True)
class Tally:
    """Sums over samples."""

    size: int = 0
    wrong: int = 0  # labels that are surely wrong
    doubt: float = 0.0  # one minus the quality

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(self.size + other.size, self.wrong + other.wrong, self.doubt + other.doubt)

    @property
    def rate(self) -> float:
        """Mean probability that a label is wrong."""
        return self.doubt / self.size
