"""The split with a record: known answers, and when it is left alone."""

import numpy as np
import pytest
import torch

from unchaff.partition.recorded import Recorded, furthest
from unchaff.partition.transition import Transition
from unchaff.records import Evidence, TrainingRecord

SIZE, NOISY = 600, 180


@pytest.fixture(scope="module")
def evidence():
    """Three classes; a read-out that sees three in four of the wrong labels, and is unsure of the rest."""
    draw = torch.Generator().manual_seed(0)
    true = torch.arange(SIZE) % 3
    labels = torch.where(torch.arange(SIZE) < NOISY, (true + 1) % 3, true)
    scores = torch.nn.functional.one_hot(true, 3) + 0.4 * torch.randn(SIZE, 3, generator=draw)
    return Evidence(ids=np.arange(SIZE) * 2, labels=labels, total=scores[:, 0], opinions={"readout": scores})


def record_of(apart, *, epochs=4, late=0):
    """Return a record whose groups lie so many deviations apart, and not at all in late epochs."""
    draw = torch.Generator().manual_seed(1)
    right = (torch.arange(SIZE) >= NOISY).float()
    margins = torch.stack(
        [
            (apart if epoch < epochs - late else 0) * right + 2 * torch.randn(SIZE, generator=draw)
            for epoch in range(epochs)
        ]
    )
    return TrainingRecord(ids=np.arange(SIZE) * 2, margins=margins)


def found(split):
    """Return the area under the curve of telling the wrong labels."""
    right, wrong = split.quality[NOISY:], split.quality[:NOISY]
    return float((right[:, None] > wrong).double().mean() + 0.5 * (right[:, None] == wrong).double().mean())


def test_groups_by_hand():
    margins = torch.tensor([[3.0, 1.0, -1.0, -3.0], [float("nan"), 3.0, -1.0, -1.0]], dtype=torch.float64)
    groups = furthest(margins[:1], torch.tensor([1.0, 1.0, 0.0, 0.0], dtype=torch.float64))
    assert (groups.right, groups.wrong, groups.variance) == (2.0, -2.0, 1.0)
    assert groups.distance == pytest.approx(4.0)
    even = torch.full((4,), 0.5, dtype=torch.float64)
    expected = torch.sigmoid(4 * margins[0])  # odds times exp((2 - -2) / 1 * (margin - 0))
    torch.testing.assert_close(groups.weighed(even, 1.0), expected)
    torch.testing.assert_close(groups.weighed(even, 0.25), torch.sigmoid(margins[0]))
    both = furthest(margins, torch.tensor([1.0, 1.0, 0.0, 0.0], dtype=torch.float64))
    assert both.epochs == 2
    assert both.margins.tolist() == [3.0, 2.0, -1.0, -2.0]


def test_an_epoch_that_few_were_seen_in_does_not_decide():
    few = torch.full((40,), float("nan"), dtype=torch.float64)
    few[[0, 39]] = torch.tensor([50.0, -50.0], dtype=torch.float64)
    most = torch.linspace(3, -3, 40, dtype=torch.float64)
    quality = (torch.arange(40) < 20).double()
    assert furthest(few[None], quality).distance > 100
    assert furthest(torch.stack([few, most]), quality).epochs == 2


def test_a_clear_record_finds_more(evidence):
    plain, told = Transition()(evidence), Recorded(record=record_of(6.0))(evidence)
    assert found(told) > found(plain) + 0.005
    assert float(told.kept[:NOISY].double().mean()) < 0.5 * float(plain.kept[:NOISY].double().mean())
    assert set(told.evidence) - set(plain.evidence) == {"recorded_margin"}
    assert "Of 4 recorded epochs the first 4 are weighed in." in told.reason


def test_epochs_in_which_all_is_known_by_heart_are_left_out(evidence):
    told = Recorded(record=record_of(8.0, epochs=12, late=9))(evidence)
    assert "Of 12 recorded epochs the first 3 are weighed in." in told.reason


@pytest.mark.parametrize("apart", [0.0, 1.0, -6.0], ids=["nothing", "hardly", "the wrong way"])
def test_a_record_that_is_not_clear_changes_nothing(evidence, apart):
    plain, told = Transition()(evidence), Recorded(record=record_of(apart, epochs=2))(evidence)
    assert torch.equal(plain.quality, told.quality)
    assert torch.equal(plain.kept, told.kept)
    assert "left aside" in told.reason


def test_samples_without_a_margin_keep_their_quality(evidence):
    whole = record_of(6.0)
    half = TrainingRecord(ids=whole.ids[::2], margins=whole.margins[:, ::2])
    plain, told = Transition()(evidence), Recorded(record=half)(evidence)
    assert torch.equal(told.quality[1::2], plain.quality[1::2])
    assert not torch.equal(told.quality[::2], plain.quality[::2])


def test_where_nothing_speaks_for_noise_a_record_changes_nothing(evidence):
    clean = torch.nn.functional.one_hot(evidence.labels, 3).float()
    certain = Evidence(
        ids=evidence.ids, labels=evidence.labels, total=evidence.total, opinions={"readout": clean}
    )
    told = Recorded(record=record_of(6.0))(certain)
    assert told.abstained
    assert told.kept.all()


def test_without_a_record_it_is_transition(evidence):
    plain, told = Transition()(evidence), Recorded()(evidence)
    assert torch.equal(plain.quality, told.quality)
    assert plain.reason == told.reason
