"""The answers in a run folder -> decisions that a repair can heed."""

from contextlib import closing

import numpy as np

from unchaff.errors import RunFolderError
from unchaff.records import Decisions
from unchaff.review.store import Answer, Store
from unchaff.runs.read import RunFolder


def decisions_in(run: RunFolder) -> Decisions:
    """Return what was decided about the samples of a run; answers about others are left aside.

    Raises:
        RunFolderError: there are no decisions, or they cannot be read.
    """
    return read_in(run)[0]


def read_in(run: RunFolder) -> tuple[Decisions, bytes]:
    """Return the decisions about the samples of a run, and all answers as one file to keep beside them.

    Raises:
        RunFolderError: there are no decisions, or they cannot be read.
    """
    store = Store.look(run.path, run.class_names)
    known = set(run.quality.column("id").to_pylist())
    with closing(store):
        content, decided = store.content(), store.decided()
    answers = [answer for answer in decided if answer.id in known]
    if not answers:
        raise RunFolderError(
            f"Nothing is decided about the samples of {run.path}. Make decisions with unchaff review "
            f"{run.path}."
        )
    return decisions_of(answers), content


def decisions_of(answers: list[Answer]) -> Decisions:
    """Return answers as columns, sorted by id."""
    ids = np.array([answer.id for answer in answers])
    given = np.array([answer.given for answer in answers], dtype=np.int64)
    kept = np.array([answer.kind != "drop" for answer in answers], dtype=np.bool_)
    labels = np.array(
        [answer.given if answer.label is None else answer.label for answer in answers], dtype=np.int64
    )
    quality = np.array(
        [np.nan if answer.quality is None else answer.quality for answer in answers], dtype=np.float64
    )
    order = np.argsort(ids, kind="stable")
    return Decisions(
        ids=ids[order],
        kept=kept[order],
        labels=labels[order],
        given=given[order],
        quality=quality[order],
    )
