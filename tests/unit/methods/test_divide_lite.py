from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from unchaff.errors import ConfigError, NeedsError
from unchaff.evaluate.accuracy import score
from unchaff.evaluate.detection import detect
from unchaff.methods import METHODS
from unchaff.methods.beginning import fresh_copy
from unchaff.methods.divide_lite import DivideLite, Divider, pseudo
from unchaff.records import Observed, Recipe, Trained
from unchaff.samples import Batch, Kind
from unchaff.streams import Streams
from unchaff.train.initial import phase_by
from unchaff.train.loop import fit

WEAK = torch.tensor([[4.0, 0.0, 0.0, 0.0], [0.1, 0.0, 0.0, 0.0], [0.0, 5.0, 0.0, 0.0]])
STRONG = torch.tensor([[0.0, 1.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 2.0, 0.0]])


def test_a_pseudo_label_counts_where_the_weak_view_is_sure():
    found = pseudo(WEAK, STRONG, 0.9)
    expected = functional.cross_entropy(STRONG, torch.tensor([0, 0, 1]), reduction="none")
    torch.testing.assert_close(found, expected * torch.tensor([1.0, 0.0, 1.0]))


def test_kept_samples_learn_their_label_and_the_others_what_the_network_says(toy):
    tutor = Divider(DivideLite(confidence=0.9, weight=0.5), toy.observed.train, 10)
    tutor.trusted[[5, 6]] = False
    labels = torch.tensor([2, 3, 3])
    batch = Batch(ids=np.array([104, 105, 106]), rows=np.array([4, 5, 6]), inputs=WEAK, labels=labels)
    weak = WEAK.clone().requires_grad_()
    found = tutor(torch.cat([weak, STRONG]), batch)
    own = functional.cross_entropy(WEAK, labels, reduction="none")
    other = 0.5 * functional.cross_entropy(STRONG, torch.tensor([0, 0, 1]), reduction="none")
    torch.testing.assert_close(found, torch.stack([own[0], 0 * own[1], other[2]]))
    found.sum().backward()
    assert weak.grad[0].abs().sum() > 0
    assert weak.grad[1:].abs().sum() == 0, "a pseudo-label is no lesson for the view it comes from"


def test_it_goes_on_with_what_it_trusted(toy):
    tutor = Divider(DivideLite(), toy.observed.train, 10)
    tutor.trusted[::3] = False
    again = Divider(DivideLite(), toy.observed.train, 10)
    again.restore(tutor.state())
    assert torch.equal(again.trusted, tutor.trusted)


def test_splits_come_after_the_warmup_and_as_often_as_asked():
    method = DivideLite(warmup=0.4, every=3)
    assert [epoch for epoch in range(1, 13) if method.is_due(epoch, 12)] == [5, 8, 11]
    assert method.looks(12) == 4
    assert [epoch for epoch in range(1, 4) if DivideLite(warmup=1.0).is_due(epoch, 3)] == []


def test_trusting_everything_is_plain_training_on_the_weak_view(toy):
    """Without batch normalisation, which would see both views at once."""
    with Streams(0).forked_global("plain"):
        model = nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 4))
    trained = Trained(model=model, recipe=Recipe(epochs=6, batch_size=30, lr=0.05))
    method = DivideLite(threshold=-1.0)
    outcome = method(trained, toy.observed, streams=Streams(0))
    assert outcome.partition.kept.all()
    steps = method.steps(trained, toy.observed.train)
    assert steps % 20 == 0, "whole epochs"
    recipe = replace(trained.recipe, epochs=steps // 20, augment=True)
    fitted = fit(
        fresh_copy(model, streams=Streams(0)),
        toy.observed.train,
        phase_by(recipe, 600),
        streams=Streams(0).fork("divide"),
    )
    for one, other in zip(outcome.model.parameters(), fitted.model.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_on_labels_that_are_often_wrong_it_beats_plain_training(learned):
    outcome = METHODS["divide-lite"](learned.trained, learned.observed, streams=Streams(0))
    plain = METHODS["retrain"](learned.trained, learned.observed, streams=Streams(0))
    ahead = score(outcome.model, learned.test).accuracy - score(plain.model, learned.test).accuracy
    assert ahead > 0.1
    assert detect(outcome.partition, learned.truth).auroc > 0.85


def test_settings_that_make_no_sense_are_refused():
    with pytest.raises(ConfigError, match=r"confidence in \(0, 1\]"):
        DivideLite(confidence=1.5)


def test_what_nothing_is_known_about_cannot_be_changed(toy):
    packed = replace(toy.observed.train, kind=Kind("packed", (1, 8, 8)))
    with pytest.raises(NeedsError, match="needs two views of a sample"):
        DivideLite()(toy.trained, Observed(train=packed), streams=Streams(0))
