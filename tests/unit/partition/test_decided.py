from dataclasses import replace

import numpy as np
import pytest
import torch

from unchaff.partition.bins import EDGES
from unchaff.partition.decided import ENOUGH, Decided, curve_of, imposed
from unchaff.records import Decisions, Evidence, Partition


def decisions(ids, kept, labels=None, given=None, quality=None):
    zeros = np.zeros(len(ids), dtype=np.int64)
    return Decisions(
        ids=np.asarray(ids),
        kept=np.asarray(kept, dtype=np.bool_),
        labels=zeros if labels is None else np.asarray(labels),
        given=zeros if given is None else np.asarray(given),
        quality=np.full(len(ids), np.nan) if quality is None else np.asarray(quality, dtype=np.float64),
    )


class Fixed:
    """A rule that gives what it is told, and notes which labels it was shown."""

    threshold = 0.5

    def __init__(self, quality, *, abstains=False):
        self.quality = torch.tensor(quality)
        self.abstains = abstains

    def __call__(self, evidence):
        self.shown = evidence.labels.clone()
        kept = torch.ones(len(self.quality)).bool() if self.abstains else self.quality > 0.5
        return Partition(
            ids=evidence.ids,
            quality=self.quality,
            kept=kept,
            suggested=torch.ones(len(kept)).long(),
            abstained=self.abstains,
        )


def evidence(labels):
    labels = torch.tensor(labels)
    return Evidence(ids=np.arange(len(labels)), labels=labels, total=torch.zeros(len(labels)))


def test_what_was_decided_is_certain():
    given = decisions([0, 1, 2], [True, False, True], labels=[0, 0, 1])
    split = Decided(rule=Fixed([0.1, 0.9, 0.2, 0.7, 0.3]), decisions=given)(evidence([0, 0, 1, 0, 0]))
    assert split.quality.tolist() == pytest.approx([1, 0, 1, 0.7, 0.3])
    assert split.kept.tolist() == [True, False, True, True, False]
    assert split.suggested.tolist() == [0, 1, 1, 1, 1], "kept samples suggest the label they have now"


def test_the_rule_sees_the_labels_as_they_were_given():
    rule = Fixed([0.5, 0.5])
    Decided(rule=rule, decisions=decisions([1], [True], labels=[1]))(evidence([0, 1]))
    assert rule.shown.tolist() == [0, 0]


@pytest.mark.parametrize(("kept", "abstains"), [(True, True), (False, False)])
def test_a_wrong_label_that_was_found_is_acted_on_where_the_rule_finds_nothing(kept, abstains):
    rule = Fixed([0.9, 0.9, 0.9], abstains=True)
    split = Decided(rule=rule, decisions=decisions([1], [kept]))(evidence([0, 0, 0]))
    assert split.abstained == abstains
    assert split.kept.tolist() == [True, kept, True]


def reviewed(true_share, count=400):
    """Return answers about samples of every quality, of which `true_share(quality)` are right."""
    draw = np.random.default_rng(0)
    quality = np.sort(draw.random(count))
    return decisions(np.arange(count), draw.random(count) < true_share(quality), quality=quality)


def test_answers_bring_quality_nearer_to_the_truth():
    curve = curve_of(reviewed(np.sqrt))
    at = torch.tensor([0.2, 0.4, 0.6, 0.8])
    torch.testing.assert_close(curve(at), at.sqrt(), atol=0.08, rtol=0)


def test_the_order_stays():
    quality = torch.linspace(0, 1, 1001)
    changed = curve_of(reviewed(lambda quality: np.full_like(quality, 0.5)))(quality)
    assert (changed.diff() > 0).all()
    assert 0 <= changed.min() <= changed.max() <= 1


def test_nothing_changes_where_nobody_looked():
    low = replace(reviewed(lambda quality: np.full_like(quality, 0.5)))
    low = Decisions(**{**vars(low), "quality": low.quality * 0.2})
    above = torch.tensor([edge for edge in EDGES if edge > 0.5])
    torch.testing.assert_close(curve_of(low)(above), above, atol=0.01, rtol=0)


@pytest.mark.parametrize(("right", "wrong"), [(ENOUGH - 1, 100), (100, ENOUGH - 1)])
def test_a_few_answers_calibrate_nothing(right, wrong):
    kept = [True] * right + [False] * wrong
    quality = np.linspace(0, 1, len(kept))
    assert curve_of(decisions(np.arange(len(kept)), kept, quality=quality)) is None
    assert curve_of(decisions(np.arange(200), [True, False] * 100)) is None, "no run has judged them"


def test_a_calibrated_split_says_what_changed():
    given = reviewed(lambda quality: quality**4)
    rest = np.arange(1000, 1100)
    rule = Fixed(np.linspace(0.5, 0.9, 100).astype(np.float32).tolist())
    about = Evidence(ids=rest, labels=torch.zeros(100).long(), total=torch.zeros(100))
    split = Decided(rule=rule, decisions=given, curve=curve_of(given))(about)
    fewer = 100 - int(split.kept.sum())
    assert 30 < fewer < 90
    assert split.reason.endswith(" 400 answers of a person calibrate that.")


def test_it_holds_whatever_the_order_of_the_split():
    split = Partition(ids=np.array([3, 1, 2]), quality=torch.full((3,), 0.5), kept=torch.ones(3).bool())
    assert imposed(split, decisions([1, 3, 9], [False, True, False])).quality.tolist() == [1, 0, 0.5]
