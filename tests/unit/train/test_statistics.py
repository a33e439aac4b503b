"""Statistics of normalisations are those of the inputs, and nothing else changes."""

import pytest
import torch

from unchaff.nets.hooks import read_inputs
from unchaff.streams import Streams
from unchaff.train.statistics import resettled, settling_cost


def test_they_are_measured_again_and_all_else_stays(toy):
    model = toy.trained.model
    settled, cost = resettled(model, toy.clean, size=600, streams=Streams(0), name="settle")
    with torch.no_grad(), read_inputs(model, ["0.1"]) as seen:
        model(next(toy.clean.batches(600)).inputs)
    torch.testing.assert_close(settled[0][1].running_mean, seen["0.1"].mean((0, 2, 3)))
    torch.testing.assert_close(settled[0][1].running_var, seen["0.1"].var((0, 2, 3)))
    assert settled[0][1].momentum == model[0][1].momentum
    assert not any(module.training for module in settled.modules())
    for name, each in model.named_parameters():
        assert torch.equal(each, settled.get_parameter(name))
    assert (cost.samples_seen, cost.flops) == (600, settling_cost(model, toy.clean).flops)


def test_frozen_ones_stay(toy):
    model = resettled(toy.trained.model, toy.clean, size=600, streams=Streams(0), name="settle")[0]
    model[0][1].requires_grad_(requires_grad=False)
    model[1][1].requires_grad_(requires_grad=False)
    again, cost = resettled(model, toy.test, size=60, streams=Streams(0), name="settle")
    assert torch.equal(again[0][1].running_mean, model[0][1].running_mean)
    assert cost.flops == pytest.approx(0)
