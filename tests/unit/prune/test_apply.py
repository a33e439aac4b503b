"""Invariant 5: a pruned unit is exactly zero behind its norm, for every input, before and after training."""

import pytest
import torch
from torch import nn

from unchaff.methods.finetune import FineTune, Lesson, Part, Schedule
from unchaff.nets.hooks import read_outputs
from unchaff.nets.taps import find_layers, prunable
from unchaff.prune.apply import masks_for, prune
from unchaff.records import PrunedUnit, PrunePlan, Trained
from unchaff.streams import Streams

UNITS = (1, 4)
FLAT, FRONT = nn.Flatten(), nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten())
CASES = {
    "convolution, batch norm": lambda: (nn.Conv2d(1, 6, 3), nn.BatchNorm2d(6), FRONT, 24),
    "convolution with bias, batch norm": lambda: (
        nn.Conv2d(1, 6, 3, bias=True),
        nn.BatchNorm2d(6),
        FRONT,
        24,
    ),
    "convolution, group norm": lambda: (nn.Conv2d(1, 6, 3), nn.GroupNorm(2, 6), FRONT, 24),
    "convolution, layer norm": lambda: (nn.Conv2d(1, 6, 3), nn.LayerNorm((6, 6, 6)), FRONT, 24),
    "linear, batch norm": lambda: (nn.Sequential(FLAT, nn.Linear(64, 6)), nn.BatchNorm1d(6), FLAT, 6),
    "linear, layer norm": lambda: (nn.Sequential(FLAT, nn.Linear(64, 6)), nn.LayerNorm(6), FLAT, 6),
    "linear alone": lambda: (nn.Sequential(FLAT, nn.Linear(64, 6)), nn.Identity(), FLAT, 6),
}


def network(case):
    with Streams(0).forked_global(case):
        layer, norm, end, width = CASES[case]()
        for module in norm.modules():  # as after training: neither the scale nor the shift is neutral
            for parameter in module.parameters(recurse=False):
                nn.init.normal_(parameter, 1.0)
        return nn.Sequential(layer, norm, nn.GELU(), end, nn.Linear(width, 4))


def planned(model, inputs):
    name = find_layers(model, inputs)[0].name
    return PrunePlan(tuple(PrunedUnit(name, unit, 1.0) for unit in UNITS))


def worst_output(model, training):
    """Return the largest absolute output of the pruned units on random, large and empty inputs."""
    draw = torch.Generator().manual_seed(0)
    inputs = torch.cat([torch.randn(8, 1, 8, 8, generator=draw) * scale for scale in (1, 100, 0)])
    with read_outputs(model.train(training), ["1"]) as read, torch.no_grad():
        model(inputs)
    return read["1"][:, list(UNITS)].abs().max()


@pytest.mark.parametrize("case", CASES)
def test_a_pruned_unit_is_exactly_zero_before_and_after_finetuning(case, toy):
    model, inputs = network(case).eval(), next(toy.observed.train.batches(2)).inputs
    plan = planned(model, inputs)
    assert worst_output(model, training=False) > 0.1, "or the test would say nothing"
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    pruned = prune(model, plan, inputs)
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, before[name]), "the network that came in was changed"
    assert worst_output(pruned.model, training=False) == 0
    assert worst_output(pruned.model, training=True) == 0
    trained = Trained(model=model)
    schedule = Schedule.plan(
        FineTune(lr=0.05, batch_size=30), (Part(0.5, rescore=True), Part(0.5)), trained, toy.observed.train,
        flops=2e6, masks=pruned.masks,
    )  # fmt: skip
    schedule.steps = [10, 10]
    tuned = schedule.run(pruned.model, Lesson(toy.observed.train), streams=Streams(0))
    last = schedule.run(tuned.model, Lesson(toy.observed.train), streams=Streams(0))
    assert not torch.equal(last.model[4].weight, model[4].weight), "nothing was trained"
    for each in (tuned.model, tuned.averaged, last.model):
        assert worst_output(each, training=False) == 0
        assert worst_output(each, training=True) == 0


def test_a_silenced_unit_is_the_network_without_it():
    model = nn.Sequential(nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 3)).eval()
    inputs = torch.randn(6, 5, generator=torch.Generator().manual_seed(0))
    pruned = prune(model, PrunePlan((PrunedUnit("0", 2, 1.0),)), inputs).model
    stay = [0, 1, 3]
    hidden = (inputs @ model[0].weight[stay].T + model[0].bias[stay]).relu()
    without = hidden @ model[2].weight[:, stay].T + model[2].bias
    torch.testing.assert_close(pruned(inputs), without)
    assert pruned[2].weight[:, 2].abs().sum() == 0, "the outgoing column"


def test_the_output_and_norms_without_weights_per_unit_are_not_pruned():
    model = nn.Sequential(
        nn.Conv1d(1, 3, 3, padding=1), nn.LayerNorm(8), nn.ReLU(),
        nn.Conv1d(3, 3, 3), nn.BatchNorm1d(3, affine=False), nn.ReLU(),
        nn.Conv1d(3, 3, 3), nn.BatchNorm1d(3), nn.ReLU(), nn.Flatten(), nn.Linear(12, 2),
    )  # fmt: skip
    layers = find_layers(model, torch.zeros(2, 1, 8))
    assert [layer.name for layer in prunable(layers, model)] == ["6"]


def test_an_empty_plan_makes_no_masks():
    model = nn.Sequential(nn.Linear(2, 2))
    assert masks_for(model, PrunePlan(), torch.zeros(1, 2)) == {}
