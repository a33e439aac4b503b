"""Accuracy on hardware whose layers are noisy."""

import pytest

from unchaff.errors import ModelError
from unchaff.evaluate.accuracy import score
from unchaff.evaluate.hardware import score_on_hardware
from unchaff.streams import Streams


def test_without_noise_it_is_the_plain_accuracy_and_with_much_it_falls(toy):
    found = score_on_hardware(toy.trained.model, toy.clean, (0.0, 3.0), streams=Streams(0))
    assert found[0.0].accuracy == score(toy.trained.model, toy.clean).accuracy
    assert found[3.0].accuracy < found[0.0].accuracy - 0.1


def test_noise_in_one_layer_is_less_than_noise_in_all(toy):
    every, one = (
        score_on_hardware(toy.trained.model, toy.clean, (1.5,), streams=Streams(0), layers=layers)[1.5]
        for layers in ((), ("5",))
    )
    assert one.accuracy > every.accuracy


def test_a_layer_that_does_not_exist_is_told(toy):
    with pytest.raises(ModelError, match="no linear or convolution layer 'nothing'"):
        score_on_hardware(toy.trained.model, toy.clean, (1.0,), streams=Streams(0), layers=("nothing",))
