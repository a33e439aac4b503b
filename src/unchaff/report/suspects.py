"""The samples that can be trusted least."""

import numpy as np
from torch import Tensor

from unchaff.records import Partition
from unchaff.report.thumbnails import media, written
from unchaff.report.views import ClassRow, Suspect
from unchaff.report.words import number
from unchaff.runs.record import Run

MOST = 50


def worst(run: Run, most: int = MOST) -> tuple[Suspect, ...]:
    """Return the samples of lowest quality, lowest first; ties are ordered by id."""
    split = run.outcome.partition
    if split is None:
        return ()
    rows = np.argsort(split.quality.cpu().numpy(), kind="stable")[:most]
    raw = run.samples.source.raw(rows)
    return tuple(_suspect(run, split, int(row), each) for row, each in zip(rows, raw, strict=True))


def by_class(run: Run) -> tuple[ClassRow, ...]:
    """Return how much of each class is kept, and what its rejected samples look like."""
    split = run.outcome.partition
    if split is None:
        return ()
    labels = run.samples.labels.cpu().numpy()
    kept, suggested = split.kept.cpu().numpy(), suggestions(run, split).cpu().numpy()
    names = run.samples.class_names
    rows = []
    for label, name in enumerate(names):
        here = labels == label
        others = suggested[here & ~kept]
        votes = np.bincount(others[others != label], minlength=len(names))
        best = int(votes.argmax())
        likely = f"{names[best]} ({votes[best]})" if votes[best] else ""
        num_kept = int((here & kept).sum())
        rows.append(ClassRow(name, int(here.sum()), num_kept, int(here.sum()) - num_kept, likely))
    return tuple(rows)


def suggestions(run: Run, split: Partition) -> Tensor:
    """Return the label each sample should have: what the evidence speaks for, else the prediction."""
    return run.predicted if split.suggested is None else split.suggested


def _suspect(run: Run, split: Partition, row: int, raw: Tensor) -> Suspect:
    names = run.samples.class_names
    given = names[int(run.samples.labels[row])]
    return Suspect(
        id=str(run.samples.ids[row]),
        given=given,
        suggested=names[int(suggestions(run, split)[row])],
        quality=float(split.quality[row]),
        kept=bool(split.kept[row]),
        evidence=tuple((name, number(float(values[row]))) for name, values in split.evidence.items()),
        media=written(run.samples.texts[row])
        if run.samples.texts is not None
        else media(raw, run.samples.kind, given),
    )
