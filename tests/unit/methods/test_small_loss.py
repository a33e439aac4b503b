"""Small losses are kept: the mixture, the degenerate case, and a planted case."""

import numpy as np
import pytest
import torch

from unchaff.attribute.betas import small
from unchaff.errors import ConfigError
from unchaff.methods.small_loss import SmallLoss
from unchaff.streams import Streams
from unchaff.train.initial import full_cost


def test_two_planted_groups_of_losses_are_told_apart():
    draw = np.random.default_rng(0)
    losses = torch.from_numpy(np.concatenate([draw.beta(2, 12, 700), draw.beta(9, 3, 300)])).float()
    found = small(losses)
    assert float((found[:700] > 0.5).float().mean()) > 0.97
    assert float((found[700:] < 0.5).float().mean()) > 0.97
    share = float(found.mean())
    assert share == pytest.approx(0.7, abs=0.06), "cutting the ends off the losses costs it some accuracy"
    assert (found[losses.argsort()].diff() <= 0).all(), "never rises with the loss"
    order = torch.from_numpy(draw.permutation(1000))
    assert torch.equal(small(losses[order]), found[order])


def test_losses_beyond_the_percentiles_shape_no_group():
    """Two groups that overlap; a tenth of all losses piled up at the ends would draw the mixture there."""
    draw = np.random.default_rng(0)
    is_wrong = draw.random(5000) < 0.4
    losses = np.where(is_wrong, draw.gamma(8, 3.0 / 8, 5000), draw.gamma(1.2, 0.5 / 1.2, 5000))
    kept = (small(torch.from_numpy(losses)) > 0.5).numpy()
    assert kept.mean() == pytest.approx(0.68, abs=0.02)
    assert is_wrong[kept].mean() < 0.15


def test_equal_losses_are_all_small():
    assert torch.equal(small(torch.full((5,), 0.7)), torch.ones(5))


def test_where_all_are_kept_it_is_retraining(toy, plain, assert_same_weights):
    """What the short training and the look leave of the budget is as long as a plain training of its own."""
    method = SmallLoss(threshold=-1.0)
    first = method(toy.trained, toy.observed, streams=Streams(3))
    assert first.partition.kept.all()
    full = full_cost(toy.trained, toy.observed.train).flops
    spent = sum(first.cost.stages[name].flops for name in ("warm-up", "losses")) / full
    outcome = SmallLoss(threshold=-1.0, budget=1 + spent)(toy.trained, toy.observed, streams=Streams(3))
    assert_same_weights(outcome.model, plain().model)


def test_it_does_not_learn_wrong_labels_by_heart(toy, plain, accuracy):
    outcome = SmallLoss(budget=4.0)(toy.trained, toy.observed, streams=Streams(3))
    assert accuracy(outcome) > accuracy(plain(4.0)) + 0.05
    is_right = ~toy.truth.is_noisy
    assert float(is_right[outcome.partition.kept].float().mean()) > 0.85
    assert set(outcome.cost.stages) == {"warm-up", "losses", "retrain"}


def test_settings_out_of_range_are_named():
    with pytest.raises(ConfigError, match=r"warmup must lie between 0 and the budget of 1, got 1"):
        SmallLoss(warmup=1, budget=1)
    with pytest.raises(ConfigError, match="threshold must be below 1"):
        SmallLoss(threshold=1)
