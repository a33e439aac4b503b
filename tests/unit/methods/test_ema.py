"""The running mean of the weights: its degenerate case, the rate, and a planted case."""

from dataclasses import replace

import pytest

from conftest import toy_pictures, toy_samples
from unchaff.errors import ConfigError
from unchaff.evaluate.accuracy import score
from unchaff.methods.ema import Ema, Level
from unchaff.streams import Streams


def test_without_decay_it_is_the_last_weights(toy, plain, assert_same_weights):
    outcome = Ema(decay=0)(toy.trained, toy.observed, streams=Streams(3))
    assert_same_weights(outcome.model, plain().model)


def test_where_the_rate_stays_high_the_mean_is_ahead_of_the_weights_it_is_the_mean_of(toy):
    """What averaging is worth in place of annealing; on many pictures, to be sure of it."""
    recipe = replace(toy.trained.recipe, lr=0.1)
    trained, test = replace(toy.trained, recipe=recipe), toy_samples(*toy_pictures(2001))
    mean, last = (
        Ema(annealed=False, decay=decay, budget=0.7)(trained, toy.observed, streams=Streams(3)).model
        for decay in (0.999, 0.0)
    )
    assert score(mean, test).accuracy > score(last, test).accuracy + 0.03


def test_the_rate_rises_and_stays():
    rate = Level(peak=0.4, rise=4)
    assert [rate(step) for step in (0, 1, 3, 4, 500)] == pytest.approx([0.1, 0.2, 0.4, 0.4, 0.4])


def test_settings_out_of_range_are_named():
    with pytest.raises(ConfigError, match=r"decay must be in \[0, 1\), got 1"):
        Ema(decay=1)
