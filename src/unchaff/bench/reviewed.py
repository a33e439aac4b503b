"""A run that a person has reviewed, and what the review changed in the run after it."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from unchaff import journal
from unchaff.errors import ConfigError
from unchaff.evaluate.metrics import Measured
from unchaff.evaluate.reviewed import Others, Review
from unchaff.interfaces import Repair
from unchaff.methods.deciding import Deciding
from unchaff.partition.decided import imposed
from unchaff.records import Decisions, Observed, Partition
from unchaff.review.given import read_in
from unchaff.runs.manifest import sha256
from unchaff.runs.read import RunFolder, read
from unchaff.runs.told import told
from unchaff.samples import Samples


@dataclass(frozen=True)
class Reviewed:
    """The run before, and what a person decided about it."""

    run: RunFolder
    decisions: Decisions
    content: bytes  # of the decisions, for the folder of the run after it

    @classmethod
    def of(cls, folder: Path, samples: Samples) -> "Reviewed":
        """Return the decisions in a run folder, about these samples.

        Raises:
            ConfigError: the samples are others, or have other classes.
            RunFolderError: no run folder, or no decisions in it.
        """
        run = read(folder)
        decisions, content = read_in(run)
        unknown = len(decisions) - len(decisions.about(samples.ids))
        if unknown or samples.class_names != run.class_names:
            what = f"lack {unknown} of the reviewed samples" if unknown else "have other classes"
            raise ConfigError(f"The data {what} of {folder}. Give the data of that run.")
        if journal.is_kept():
            journal.check("decisions", {"sha256": _hash(decisions)})
        return cls(run, decisions, content)

    def heard_by(self, method: Repair) -> Repair:
        """Return the method with the decisions given."""
        return Deciding(method=method, decisions=self.decisions)

    def applied(self, observed: Observed) -> Observed:
        """Return what was observed with the labels as they are from now on, also of what was held out."""
        holdout = None if observed.holdout is None else self.decisions.applied(observed.holdout)
        train = self.decisions.applied(observed.train)
        return Observed(train=train, holdout=holdout, reference=observed.reference)

    def imposed(self, split: Partition) -> Partition:
        """Return the split with what was decided, held out or not."""
        return imposed(split, self.decisions)

    def undecided(self, split: Partition) -> Partition:
        """Return the split of the samples that nobody decided about: only there a method can be right."""
        rows = torch.from_numpy(~np.isin(split.ids, self.decisions.ids))
        return Partition(ids=split.ids[rows.numpy()], quality=split.quality[rows], kept=split.kept[rows])

    def review(self, split: Partition | None, measured: Measured) -> Review:
        """Return what the review was, and what it changed.

        Args:
            split: of all samples, as they were judged after the review.
            measured: after the review.
        """
        given, before = self.decisions, told(self.run)
        scores = before.measured.after or before.measured.before
        is_alike = (
            scores is not None
            and measured.before is not None
            and (before.measured.measured_on, scores.n) == (measured.measured_on, measured.before.n)
        )
        judged_before = before.outcome.partition
        return Review(
            run=str(self.run.path),
            kept=int(given.is_right.sum()),
            dropped=int((~given.kept).sum()),
            relabelled=int(given.is_relabelled.sum()),
            sha256=_hash(given),
            accuracy_before=scores.accuracy if scores is not None and is_alike else None,
            noise_before=None if judged_before is None else judged_before.noise_rate,
            others=None
            if split is None or judged_before is None
            else _others(self.undecided(split), judged_before),
        )


def _others(now: Partition, before: Partition) -> Others | None:
    """Return how the split of the samples nobody looked at differs from that of the run before."""
    if not len(now.ids):
        return None
    rows = np.searchsorted(before.ids, now.ids)
    kept = before.kept[rows]
    return Others(
        number=len(rows),
        noise_before=1 - float(before.quality[rows].double().mean()),
        noise_after=now.noise_rate,
        kept_now=int((now.kept & ~kept).sum()),
        set_aside_now=int((kept & ~now.kept).sum()),
    )


def _hash(decisions: Decisions) -> str:
    """Return what tells other decisions apart."""
    return sha256(b"".join(vars(decisions)[name].tobytes() for name in ("ids", "kept", "labels")))
