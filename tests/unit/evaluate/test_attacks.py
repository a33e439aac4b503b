"""Attacks stay within their bound and do what they are for; noise of hardware costs accuracy."""

import pytest
import torch
from torch import nn

from unchaff.errors import ConfigError
from unchaff.evaluate.accuracy import score
from unchaff.evaluate.attacks import Attack, Pixels, fgsm, score_under
from unchaff.evaluate.hardware import score_on_hardware
from unchaff.streams import Streams


class Line(nn.Module):
    """Two classes told apart by the sum of the pixels."""

    def forward(self, inputs):
        total = inputs.flatten(1).sum(1)
        return torch.stack([total, -total], dim=1)


INPUTS = torch.full((2, 1, 2, 2), 0.5)
LABELS = torch.tensor([0, 1])


def test_the_sign_of_the_gradient_is_followed_to_the_bound():
    moved = fgsm(0.1)(Line(), INPUTS, LABELS, generator=Streams(0)("start"))
    torch.testing.assert_close(moved[0], INPUTS[0] - 0.1)
    torch.testing.assert_close(moved[1], INPUTS[1] + 0.1)
    many = Attack(epsilon=0.1, step=0.03, steps=9)(Line(), INPUTS, LABELS, generator=Streams(0)("start"))
    torch.testing.assert_close(many, moved)


def test_units_are_raw_pixels_whatever_the_scale_of_the_inputs():
    pixels = Pixels(mean=(0.5,), std=(0.25,))
    inputs = (torch.tensor([0.5, 0.02, 0.98, 0.3]) - 0.5).reshape(1, 1, 2, 2) / 0.25
    attack = fgsm(0.1, pixels=pixels)
    moved = attack(Line(), inputs, torch.tensor([0]), generator=Streams(0)("start"))
    raw = moved.flatten() * 0.25 + 0.5
    torch.testing.assert_close(raw, torch.tensor([0.4, 0.0, 0.88, 0.2]))


def test_a_random_start_stays_inside_and_comes_from_the_generator():
    start = Attack(epsilon=0.2, step=0.0, steps=1)
    moved = [start(Line(), INPUTS, LABELS, generator=Streams(seed)("start")) for seed in (0, 0, 1)]
    assert torch.equal(moved[0], moved[1])
    assert not torch.equal(moved[0], moved[2])
    assert 0 < float((moved[0] - INPUTS).abs().max()) <= 0.2


def test_more_steps_are_not_weaker_and_other_networks_attacks_not_stronger(toy, clean_toy):
    network, streams = toy.trained.model, Streams(0)
    before = score(network, toy.test).accuracy
    few = score_under(Attack(step=1 / 255, steps=5), network, toy.test, streams=streams).accuracy
    many = score_under(Attack(steps=20), network, toy.test, streams=streams).accuracy
    other = score_under(Attack(), network, toy.test, streams=streams, source=clean_toy.trained.model).accuracy
    assert before > few >= many
    assert other >= many
    assert all(each.grad is None for each in network.parameters())


def test_settings_that_mean_nothing_are_refused():
    with pytest.raises(ConfigError, match="steps at least 1, got"):
        Attack(steps=0)


def test_noise_of_hardware_costs_accuracy(toy):
    network = toy.trained.model
    found = score_on_hardware(network, toy.test, (0.0, 0.5, 2.0), streams=Streams(0))
    assert found[0.0].accuracy == score(network, toy.test).accuracy
    assert found[0.0].accuracy > found[0.5].accuracy > found[2.0].accuracy
    one = score_on_hardware(network, toy.test, (2.0,), streams=Streams(0), layers=("1.0",))
    assert one[2.0].accuracy > found[2.0].accuracy
