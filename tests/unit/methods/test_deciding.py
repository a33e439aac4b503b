from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch

import unchaff
from unchaff.errors import ConfigError
from unchaff.methods import METHODS
from unchaff.methods.deciding import Deciding
from unchaff.records import Decisions, Observed, Outcome
from unchaff.streams import Streams


def of(toy, count=60, drop_every=3):
    """Return what somebody who knows the truth says of the first samples."""
    train = toy.observed.train
    ids = train.ids[:count]
    given, true = train.labels[:count].numpy(), toy.clean.labels[:count].numpy()
    dropped = (given != true) & (np.arange(count) % drop_every == 0)
    return Decisions(
        ids=ids,
        kept=~dropped,
        labels=np.where(dropped, given, true),
        given=given,
        quality=np.full(count, 0.5),
    )


@dataclass(frozen=True)
class Spy:
    """A method that makes no split, and remembers what it was shown."""

    shown: list

    def __call__(self, trained, observed, *, streams):
        self.shown.append(observed)
        return Outcome(model=trained.model)


def test_a_repair_learns_from_what_a_person_left(toy):
    given = of(toy)
    outcome = Deciding(method=METHODS["unlearn"], decisions=given)(
        toy.trained, toy.observed, streams=Streams(0)
    )
    split = outcome.partition
    assert (split.ids == toy.observed.train.ids).all()
    assert split.quality[:60].tolist() == given.kept.astype(float).tolist()
    assert split.kept[:60].tolist() == given.kept.tolist()
    kept = np.flatnonzero(given.kept)
    assert split.suggested[kept].tolist() == given.labels[given.kept].tolist()
    assert 0 < split.quality[60:].mean() < 1


def test_each_lesson_has_the_new_labels_and_none_of_the_dropped(toy, monkeypatch):
    given, lessons = of(toy), []
    lesson = unchaff.methods.unlearn.Unlearn.lesson

    def noted(self, observed, split):
        lessons.append(lesson(self, observed, split))
        return lessons[-1]

    monkeypatch.setattr(unchaff.methods.unlearn.Unlearn, "lesson", noted)
    Deciding(method=METHODS["unlearn"], decisions=given)(toy.trained, toy.observed, streams=Streams(0))
    assert len(lessons) > 1
    for each in lessons:
        learned = dict(zip(each.samples.ids.tolist(), each.samples.labels.tolist(), strict=True))
        for id_, kept, label in zip(given.ids.tolist(), given.kept, given.labels.tolist(), strict=True):
            assert learned.get(id_) == (label if kept else None)


def test_a_method_without_a_split_sees_the_data_as_they_were_left(toy):
    given, spy = of(toy), Spy([])
    holdout = toy.observed.train.at(np.arange(60))
    observed = replace(toy.observed, holdout=holdout)
    Deciding(method=spy, decisions=given)(toy.trained, observed, streams=Streams(0))
    (shown,) = spy.shown
    assert set(shown.train.ids.tolist()).isdisjoint(given.ids[~given.kept].tolist())
    left = shown.train.at(shown.train.rows_of(given.ids[given.kept]))
    assert left.labels.tolist() == given.labels[given.kept].tolist()
    assert torch.equal(shown.holdout.labels, holdout.labels), "what was decided is no truth to measure by"


def test_nobody_but_the_repair_is_changed(toy):
    before = toy.observed.train.labels.clone()
    Deciding(method=Spy([]), decisions=of(toy))(toy.trained, toy.observed, streams=Streams(0))
    assert torch.equal(toy.observed.train.labels, before)


def test_a_class_is_not_dropped_as_a_whole(toy):
    train = toy.observed.train
    ids = train.ids[(train.labels == 2).numpy()]
    twos = np.full(len(ids), 2)
    given = Decisions(
        ids=ids,
        kept=np.zeros(len(ids), dtype=np.bool_),
        labels=twos,
        given=twos,
        quality=np.full(len(ids), 0.5),
    )
    with pytest.raises(ConfigError, match="Every sample labelled 'c' was dropped"):
        Deciding(method=METHODS["unlearn"], decisions=given)(toy.trained, toy.observed, streams=Streams(0))


def test_decisions_are_given_from_python_and_saved_with_the_new_labels(toy, tmp_path):
    given = of(toy)
    outcome = unchaff.repair(toy.trained, toy.observed.train, decisions=given)
    assert outcome.quality["quality"][:60].tolist() == given.kept.astype(float).tolist()
    outcome.save(tmp_path / "run")
    from unchaff.runs.read import read

    labels = read(tmp_path / "run").quality.column("label").to_numpy()[:60]
    assert labels[given.kept].tolist() == given.labels[given.kept].tolist()


def test_without_decisions_about_these_samples_nothing_changes(toy):
    elsewhere = replace(of(toy), ids=np.arange(10_000, 10_060), quality=np.full(60, np.nan))
    plain = METHODS["unlearn"](toy.trained, Observed(train=toy.observed.train), streams=Streams(0))
    same = Deciding(method=METHODS["unlearn"], decisions=elsewhere)(
        toy.trained, Observed(train=toy.observed.train), streams=Streams(0)
    )
    assert torch.equal(plain.partition.quality, same.partition.quality)
