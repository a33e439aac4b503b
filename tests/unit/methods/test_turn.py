"""Probing, cleansing class by class, and fine-tuning on equal numbers of every class."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from unchaff.errors import ConfigError
from unchaff.evaluate.accuracy import score
from unchaff.methods import METHODS, turn
from unchaff.methods.encoder import Encoder, Pretraining, Probing, features, probed
from unchaff.methods.turn import Turn, clean_probability
from unchaff.nets.head import head_of
from unchaff.records import Cost, Partition
from unchaff.streams import Streams
from unchaff.train.initial import phase_by
from unchaff.train.loop import fit


def split_of(samples, kept):
    return Partition(ids=samples.ids, quality=kept.float(), kept=kept)


def test_without_a_split_and_with_classes_of_one_size_it_is_plain_training_after_a_probe(rows, monkeypatch):
    case, streams = rows("none", count=400, epochs=3), Streams(0)
    train, recipe = case.observed.train, case.trained.recipe
    rates = []

    def noting(model, samples, phase, **options):
        rates.append([phase.lr(phase.first_step + step) for step in range(phase.steps)])
        return fit(model, samples, phase, **options)

    monkeypatch.setattr(turn, "fit", noting)
    whole = Turn(backbone="trained", apart=1e9, recleanse_every=None)
    outcome = whole(case.trained, case.observed, streams=streams)
    encoder = Encoder(case.trained.model, head_of(case.trained.model, torch.zeros(2, 40)), Cost())
    start = probed(encoder, features(encoder, train), Probing(), batch_size=64, streams=streams.fork("probe"))
    phase = phase_by(replace(recipe, augment=True), 400)
    plain = fit(start.model, train, phase, streams=streams.fork("epoch 0")).model
    for name, tensor in plain.state_dict().items():
        assert torch.equal(outcome.model.state_dict()[name], tensor), name
    in_epochs = replace(whole, recleanse_every=1)(case.trained, case.observed, streams=streams)
    fine = "fine-tune"
    assert in_epochs.cost.stages[fine].samples_seen == outcome.cost.stages[fine].samples_seen
    assert len(rates) == 1 + 3
    assert [rate for epoch in rates[1:] for rate in epoch] == rates[0], (
        "one schedule, however often it is cleansed"
    )


def test_it_goes_on_where_it_was_interrupted(interrupted):
    method = Turn(epochs=0.4, pretraining=Pretraining(epochs=0.1))
    interrupted(method, turn, at=2)


def test_equal_numbers_of_every_class_are_drawn(toy):
    train = toy.observed.train
    kept = torch.rand(600, generator=torch.Generator().manual_seed(0)) < 0.5
    kept[train.labels == 2] &= torch.arange(int((train.labels == 2).sum())) < 40
    draw = Streams(0).per_id("draw", train.ids)
    lesson = Turn().lesson(train, split_of(train, kept), draw=draw)
    assert lesson.weights is None
    counts = torch.bincount(train.labels[lesson.rows])
    assert counts.tolist() == [int(kept[train.labels == 2].sum())] * 4
    assert kept[lesson.rows].all()
    assert (np.diff(lesson.rows) > 0).all()
    other = Turn().lesson(train, split_of(train, kept), draw=Streams(1).per_id("draw", train.ids))
    assert other.rows.tolist() != lesson.rows.tolist()


def test_a_class_with_few_selected_is_weighted_and_the_others_are_not_cut(toy):
    train = toy.observed.train
    kept = (train.labels != 1) | (torch.arange(600) < 20)
    lesson = Turn().lesson(train, split_of(train, kept), draw=np.zeros(600))
    assert len(lesson.rows) == int(kept.sum())
    sums = torch.bincount(train.labels[lesson.rows], weights=lesson.weights.double())
    torch.testing.assert_close(sums, torch.ones(4, dtype=torch.float64))


def test_no_class_disappears_where_classes_are_of_unequal_size(rows):
    case = rows("symmetric:0.4", count=800)
    train = case.observed.train
    rare = train.at(np.flatnonzero((train.labels > 0).numpy() | (np.arange(800) % 20 == 0)))
    method = Turn(pretraining=Pretraining(epochs=0.5), recleanse_every=None)
    outcome = method(case.trained, replace(case.observed, train=rare), streams=Streams(0))
    kept = torch.bincount(rare.labels[outcome.partition.kept], minlength=4)
    assert kept.min() >= 1
    named = torch.bincount(outcome.model(next(case.test.batches(1000)).inputs).argmax(1), minlength=4)
    assert named.min() > 100


def test_each_class_has_a_mixture_of_its_own():
    """Right labels of the one class cost more than wrong ones of the other: one mixture would mix them up."""
    drawn = torch.Generator().manual_seed(0)
    levels = torch.tensor([0.1, 0.5]).repeat_interleave(100), torch.tensor([1.0, 2.0]).repeat_interleave(100)
    losses = torch.cat(levels) + 0.02 * torch.randn(400, generator=drawn)
    labels = torch.arange(400) // 200
    clean = clean_probability(losses, labels, apart=2.0) > 0.6
    assert clean.tolist() == (torch.arange(400) % 200 < 100).tolist()


def test_a_class_with_one_group_or_few_samples_is_kept_whole():
    losses = torch.cat([torch.randn(200, generator=torch.Generator().manual_seed(0)), torch.rand(9)])
    labels = torch.tensor([0] * 200 + [1] * 9)
    assert (clean_probability(losses, labels, apart=2.0) == 1).all()
    assert (clean_probability(losses, labels, apart=0.0)[:200] < 1).any()
    same = clean_probability(torch.ones(50), torch.zeros(50, dtype=torch.long), apart=0.0)
    assert (same == 1).all()


def test_it_finds_the_right_labels_and_beats_plain_training(rows):
    case, streams = rows("symmetric:0.5", count=1000), Streams(0)
    plain = METHODS["retrain"](case.trained, case.observed, streams=streams)
    ours = METHODS["turn"](case.trained, case.observed, streams=streams)
    assert score(ours.model, case.test).accuracy > score(plain.model, case.test).accuracy + 0.1
    is_right = ~case.truth.is_noisy
    for split in (ours.first, ours.partition):
        assert is_right[split.kept].float().mean() >= 0.9
        assert split.kept[is_right].float().mean() >= 0.9


def test_where_a_backbone_came_it_is_used_and_said(toy):
    once = Turn(epochs=0.2, pretraining=Pretraining(epochs=0.1))
    anew = once(toy.trained, toy.observed, streams=Streams(0))
    assert "learned anew, without labels" in anew.notes[0]
    assert "pretrain" in anew.cost.stages
    came = once(replace(toy.trained, pretrained=True), toy.observed, streams=Streams(0))
    assert came.notes[0] == "The backbone is the pretrained one."
    unknown = once(replace(toy.trained, pretrained=True, initial=None), toy.observed, streams=Streams(0))
    assert "its layers may have seen these labels" in unknown.notes[0]
    as_it_is = replace(once, backbone="trained")(toy.trained, toy.observed, streams=Streams(0))
    assert "as it came" in as_it_is.notes[0]
    assert "pretrain" not in {*came.cost.stages, *as_it_is.cost.stages}


def test_cleansing_is_repeated_as_often_as_asked_and_paid_for(toy):
    for every, looks in ((1, 3), (2, 1), (None, 0)):
        method = Turn(backbone="trained", epochs=4 / 11, recleanse_every=every)
        cost = method(toy.trained, toy.observed, streams=Streams(0)).cost
        seen = cost.stages["cleanse"].samples_seen if looks else 0
        assert seen == looks * 600
        assert cost.stages["read"].samples_seen == 600


@pytest.mark.parametrize(
    "wrong", [{"tau": 1.0}, {"epochs": 0}, {"recleanse_every": 0}, {"apart": -1.0}, {"fewest": 0}], ids=str
)
def test_senseless_settings_are_refused(wrong):
    with pytest.raises(ConfigError):
        Turn(**wrong)
