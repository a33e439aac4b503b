"""Two networks that choose for each other: by hand, the degenerate case, the rate, and a planted case."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional

from unchaff.errors import ConfigError
from unchaff.methods.co_teaching import CoTeaching, Exchange
from unchaff.samples import Batch
from unchaff.streams import Streams

LABELS = torch.tensor([0, 1, 1, 0])
FIRST = torch.tensor([[3.0, 0.0], [3.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
SECOND = torch.tensor([[0.0, 1.0], [0.0, 3.0], [1.0, 0.0], [3.0, 0.0]])
ROWS = np.arange(4)
ABOUT = Batch(ids=ROWS, rows=ROWS, inputs=FIRST, labels=LABELS)


def test_each_learns_from_what_is_small_in_the_other():
    exchange = Exchange(torch.full((4,), torch.nan), warm=1, rate=0.5)
    loss = exchange(torch.cat([FIRST, SECOND], dim=1), ABOUT)
    first, second = (functional.cross_entropy(each, LABELS, reduction="none") for each in (FIRST, SECOND))
    assert first.argsort()[:2].tolist() == [0, 2]
    assert second.argsort()[:2].tolist() == [1, 3]
    torch.testing.assert_close(loss.mean(), first[[1, 3]].mean() + second[[0, 2]].mean())


def test_the_given_rate_rises_epoch_by_epoch():
    exchange = Exchange(torch.zeros(4), warm=4, rate=0.4)
    rates = []
    for _ in range(6):
        rates.append(exchange.left_out)
        exchange.end_epoch(torch.nn.Identity())
    assert rates == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.4, 0.4])


def test_without_forgetting_it_is_two_plain_networks(toy, plain, assert_same_weights):
    method = CoTeaching(forget_rate=0)
    outcome = method(toy.trained, toy.observed, streams=Streams(3))
    assert_same_weights(outcome.model, plain().model)
    assert outcome.cost.flops == pytest.approx(2 * plain().cost.flops)


def test_it_estimates_the_rate_and_does_not_learn_wrong_labels_by_heart(toy, plain, accuracy):
    outcome = CoTeaching(budget=8.0)(toy.trained, toy.observed, streams=Streams(3))
    assert accuracy(outcome) > accuracy(plain(4.0)) + 0.06
    assert "was estimated from the losses after 22 epochs" in outcome.notes[0]
    said = float(outcome.notes[0].rsplit(" ", 1)[1].rstrip("%."))
    assert 20 < said < 45, "three in ten are wrong"


def test_a_training_that_is_over_before_the_rate_is_estimated_says_so(toy):
    brief = replace(toy.trained, recipe=replace(toy.trained.recipe, epochs=1))

    def note(**settings):
        return CoTeaching(**settings)(brief, toy.observed, streams=Streams(3)).notes[0]

    for budget in (1.0, 2.0):
        assert "was over before an estimated share could be left out" in note(budget=budget)
    assert "was estimated from the losses after 1 epochs" in note(budget=4.0)
    assert "was given: 20.0%" in note(budget=1.0, forget_rate=0.2)


def test_settings_out_of_range_are_named():
    with pytest.raises(ConfigError, match=r"forget_rate must be in \[0, 1\), got 1"):
        CoTeaching(forget_rate=1)
    with pytest.raises(ConfigError, match=r"gradual must be in \(0, 1\], got 0"):
        CoTeaching(gradual=0)
