"""What every rule that prunes owes; found in the package, none is named here."""

import time
from dataclasses import fields, replace

import numpy as np
import pytest
import torch

from unchaff.attribute.readout import Readout
from unchaff.errors import ConfigError
from unchaff.nets.taps import find_layers, prunable
from unchaff.partition.mixture import Mixture
from unchaff.prune.apply import masks_for, prune
from unchaff.streams import Streams


@pytest.fixture(scope="module")
def split(toy):
    return Mixture()(Readout()(toy.trained, toy.observed, streams=Streams(0)))


def example(toy):
    return next(toy.observed.train.batches(4)).inputs


def with_share(pruner, share):
    if "share" not in {field.name for field in fields(pruner)}:
        return pruner
    return replace(pruner, share=share, layers=1.0)


@pytest.mark.parametrize(
    ("setting", "value", "allowed"),
    [
        ("share", -0.05, r"\[0, 1\]"),
        ("share", 3.0, r"\[0, 1\]"),
        ("share", float("nan"), r"\[0, 1\]"),
        ("layers", 0.0, r"\(0, 1\]"),
        ("layers", 2.0, r"\(0, 1\]"),
    ],
)
def test_a_share_that_is_none_is_refused(pruner, setting, value, allowed):
    if setting not in {field.name for field in fields(pruner)}:
        pytest.skip("it has no such setting")
    with pytest.raises(ConfigError, match=rf"{setting} must be in {allowed}, got {value}\. For .* pass 0\."):
        replace(pruner, **{setting: value})


def test_the_plan_names_units_that_exist_once_each(pruner, toy, split):
    plan = with_share(pruner, 0.3)(toy.trained, toy.observed, split, streams=Streams(0))
    allowed = {
        layer.name: layer.units
        for layer in prunable(find_layers(toy.trained.model, example(toy)), toy.trained.model)
    }
    places = [(unit.layer, unit.unit) for unit in plan.units]
    assert len(set(places)) == len(places)
    for layer, unit in places:
        assert 0 <= unit < allowed[layer]
    for layer, units in plan.by_layer().items():
        assert len(units) <= 0.3 * allowed[layer]
    assert np.isfinite([unit.sensitivity for unit in plan.units]).all()
    assert plan.reason


def test_share_nought_is_the_same_network(pruner, toy, split):
    plan = with_share(pruner, 0.0)(toy.trained, toy.observed, split, streams=Streams(0))
    assert plan.units == ()
    assert masks_for(toy.trained.model, plan, example(toy)) == {}
    same = prune(toy.trained.model, plan, example(toy)).model
    for name, tensor in toy.trained.model.state_dict().items():
        assert torch.equal(tensor, same.state_dict()[name]), name


def test_same_seed_same_plan(pruner, toy, split):
    pruner = with_share(pruner, 0.3)
    first, second = (pruner(toy.trained, toy.observed, split, streams=Streams(5)) for _ in range(2))
    assert first.units == second.units


def test_permuted_samples_give_the_same_plan(pruner, toy, split, permuted):
    pruner = with_share(pruner, 0.3)
    plain, moved = (
        pruner(toy.trained, observed, split, streams=Streams(5)) for observed in (toy.observed, permuted)
    )
    assert plain.units == moved.units


def test_every_pass_of_the_network_is_paid_for(pruner, toy, split):
    seen = []

    def look(_, inputs):
        seen.append(len(inputs[0]) if len(inputs[0]) > 2 else 0)  # two samples: shapes are being asked for

    handle = toy.trained.model.register_forward_pre_hook(look)  # a copy has it too
    try:
        cost = with_share(pruner, 0.3)(toy.trained, toy.observed, split, streams=Streams(0)).cost
    finally:
        handle.remove()
    assert cost.samples_seen == sum(seen)
    assert (cost.flops > 0) == (cost.samples_seen > 0)
    assert sum(stage.flops for stage in cost.stages.values()) == cost.flops


def test_every_second_is_paid_for(pruner, toy, split, monkeypatch):
    ticks = iter(range(1000))
    monkeypatch.setattr(time, "perf_counter", lambda: float(next(ticks)))
    plan = with_share(pruner, 0.3)(toy.trained, toy.observed, split, streams=Streams(0))
    assert plan.cost.seconds == max(0, next(ticks) - 1), "from the first look at the clock to the last"


def test_nothing_of_the_callers_is_changed(pruner, toy, split, watched):
    watched(with_share(pruner, 0.3), toy.trained, toy.observed, split, streams=Streams(0))


def test_where_nothing_is_rejected_the_rule_still_answers(pruner, toy, split):
    whole = replace(split, kept=torch.ones(600, dtype=torch.bool), quality=torch.ones(600), abstained=True)
    plan = pruner(toy.trained, toy.observed, whole, streams=Streams(0))
    assert np.isfinite([unit.sensitivity for unit in plan.units]).all()
