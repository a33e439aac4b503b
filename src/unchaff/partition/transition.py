"""Quality as the probability that the given label is the true one, under a learned noise transition."""

from dataclasses import dataclass

from unchaff.errors import ConfigError
from unchaff.partition.believed import believed
from unchaff.partition.keep import spare_classes
from unchaff.partition.mixture import everything, scaled
from unchaff.records import Evidence, Partition

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
            return everything(
                evidence, "The network's layers do not tell the classes apart: nothing is judged."
            )
        quality = found.quality
        wrong = int((quality < self.sure).sum())
        rate = float(1 - quality.double().mean())
        if wrong < max(self.fewest, self.floor * size) and rate <= DIFFUSE:
            reason = (
                f"No evidence of noise: {wrong / size:.2%} of the labels are surely wrong, below the floor "
                f"of {min(max(self.fewest / size, self.floor), 1):.1%}."
            )
            return everything(evidence, reason, quality=scaled(quality, wrong / size))
        reason = (
            f"Of the {size} labels as given, {rate:.1%} look wrong; kept where quality is above "
            f"{self.threshold}."
        )
        if found.fitted_on < size:
            reason += f" The noise was learned from {found.fitted_on} of the {size} samples, drawn by id."
        kept = spare_classes(quality > self.threshold, quality, labels)
        return Partition(
            ids=evidence.ids,
            quality=quality,
            kept=kept,
            suggested=found.suggested,
            evidence=evidence.columns,
            reason=reason,
            threshold=self.threshold,
        )
