from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from unchaff.attribute.readout import Readout
from unchaff.errors import ConfigError
from unchaff.nets.flops import forward
from unchaff.nets.taps import find_layers
from unchaff.partition.mixture import Mixture
from unchaff.prune.activations import observe_units, worst_units
from unchaff.prune.hessian import HessianDiagonal
from unchaff.prune.importance import MEASURES, Importance
from unchaff.prune.magnitude import Magnitude
from unchaff.prune.random import Random
from unchaff.prune.sensitivity import Sensitivity
from unchaff.records import Cost
from unchaff.streams import Streams


@pytest.fixture(scope="module")
def split(toy):
    return Mixture()(Readout()(toy.trained, toy.observed, streams=Streams(0)))


def test_the_smallest_norm_goes_first(toy, split):
    plan = Magnitude(share=0.25, layers=0.1)(toy.trained, toy.observed, split, streams=Streams(0))
    norms = toy.trained.model[3].weight.norm(dim=1)
    assert plan.by_layer() == {"3": sorted(norms.argsort()[:6].tolist())}


@pytest.mark.parametrize("measure", MEASURES)
def test_what_rejected_samples_need_more_is_important(measure, toy, split):
    plan = Importance(share=0.25, layers=0.1, measure=measure)(
        toy.trained, toy.observed, split, streams=Streams(0)
    )
    layer = [each for each in find_layers(toy.trained.model, torch.zeros(2, 1, 8, 8)) if each.name == "3"]
    values = {}
    for side, ids in (("bad", split.ids[~split.kept.numpy()]), ("good", split.kept_ids)):
        active = observe_units(toy.trained, toy.observed.train.select(ids), layer).layers["3"]
        values[side] = MEASURES[measure](active)
    ratio = values["bad"] / (values["good"] + 1e-8)
    assert plan.by_layer()["3"] == sorted(ratio.argsort(descending=True)[:6].tolist())


def test_importance_pays_for_a_pass_over_each_side(toy, split):
    rule = Importance(limit=100)
    cost = rule(toy.trained, toy.observed, split, streams=Streams(0)).cost
    assert cost.samples_seen == 100 + 100
    assert cost.flops == 200 * forward(toy.trained.model, next(toy.observed.train.batches(2)).inputs)
    assert cost.stages["prune"].seconds == cost.seconds > 0


def test_curvature_pays_for_its_second_derivatives(toy, split):
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 10), nn.ReLU(), nn.Linear(10, 4)).eval()
    trained, once = replace(toy.trained, model=model), 2 * (64 * 10 + 10 * 4)
    rule = HessianDiagonal(probes=3, limit=50)
    cost = rule(trained, toy.observed, split, streams=Streams(0)).cost
    assert cost.samples_seen == 50
    # A pass and its gradient, then forward and backward through both for each probe.
    assert cost.flops == 50 * (1 + 1 + 2 * 3) * once
    assert cost.stages["prune"].seconds == cost.seconds > 0


def test_an_unknown_measure_is_refused():
    with pytest.raises(ConfigError, match=r"one of mean, frequency, rms, deviation, got 'mode'"):
        Importance(measure="mode")


def test_only_units_that_speak_for_rejection_are_silenced(toy, split):
    plan = Sensitivity(share=0.9, layers=1.0)(toy.trained, toy.observed, split, streams=Streams(0))
    assert 0 < len(plan.units) < 0.9 * (6 + 32 + 24)
    assert all(unit.sensitivity > 0 for unit in plan.units)


def test_the_random_control_takes_the_full_share_and_sensitivity_as_many_at_most(toy, split):
    given = {"share": 0.9, "layers": 1.0}
    random, ours = (
        {layer: len(units) for layer, units in plan.by_layer().items()}
        for plan in (
            rule(toy.trained, toy.observed, split, streams=Streams(0))
            for rule in (Random(**given), Sensitivity(**given))
        )
    )
    assert list(random.values()) == [int(0.9 * units) for units in (6, 32, 24)]
    assert all(number <= random[layer] for layer, number in ours.items())
    assert sum(ours.values()) < sum(random.values())


def test_random_draws_another_set_for_another_seed(toy, split):
    rule = Random(share=0.3, layers=1.0)
    plans = [rule(toy.trained, toy.observed, split, streams=Streams(seed)).by_layer() for seed in (0, 1)]
    assert plans[0] != plans[1]
    assert [len(units) for units in plans[0].values()] == [1, 9, 7]


@pytest.mark.parametrize("rule", [Sensitivity(), Importance(), Random()])
def test_units_that_carry_rejection_need_something_rejected(rule, toy, split):
    whole = replace(split, kept=torch.ones_like(split.kept))
    assert not rule(toy.trained, toy.observed, whole, streams=Streams(0)).units


def test_units_of_a_layer_over_a_sequence_come_last(toy):
    model = nn.Sequential(nn.Flatten(2), nn.Linear(64, 5), nn.ReLU(), nn.Flatten(), nn.Linear(5, 4))
    trained = replace(toy.trained, model=model)
    layer = find_layers(model, torch.zeros(2, 1, 8, 8))[:1]
    active = observe_units(trained, toy.observed.train, list(layer)).layers["1"]
    assert active.shape == (600, 5), "one number per unit, not per position"
    batch = next(toy.observed.train.batches(600)).inputs
    torch.testing.assert_close(active, model[:3](batch).mean(1).detach())


def test_activations_are_read_behind_norm_and_activation(toy):
    layers = [each for each in find_layers(toy.trained.model, torch.zeros(2, 1, 8, 8)) if each.name == "1.0"]
    active = observe_units(toy.trained, toy.observed.train, layers).layers["1.0"]
    batch = next(toy.observed.train.batches(600)).inputs
    with torch.no_grad():
        expected = toy.trained.model[:2](batch).mean((2, 3))
    torch.testing.assert_close(active, expected, rtol=1e-4, atol=1e-5)


def test_the_worst_units_are_the_largest_by_absolute_value():
    plan = worst_units({"a": torch.tensor([0.1, -3.0, 2.0, 0.0])}, 0.5, "because", Cost())
    assert [(unit.unit, unit.sensitivity) for unit in plan.units] == [(1, -3.0), (2, 2.0)]


def test_a_limited_look_takes_the_lowest_draws_in_order():
    ids = np.arange(50)
    rows = Streams(0).subset("look", ids, 3)
    assert rows.tolist() == sorted(Streams(0).per_id("look", ids).argsort()[:3].tolist())
