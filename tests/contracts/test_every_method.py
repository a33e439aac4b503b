"""What every whole method owes; the methods come from METHODS, none is named where the rule is for all."""

import ast
import importlib.util
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from unchaff.bench import cell
from unchaff.bench.oracle import Oracle
from unchaff.errors import ConfigError
from unchaff.evaluate.accuracy import score
from unchaff.methods import METHODS
from unchaff.methods.beginning import fresh_copy
from unchaff.methods.deciding import Deciding
from unchaff.methods.finetune import FineTune
from unchaff.methods.finetune_all import FinetuneAll
from unchaff.methods.unlearn import Unlearn
from unchaff.records import Decisions, Observed, Recipe
from unchaff.streams import Streams
from unchaff.train import loop
from unchaff.train.initial import full_cost


@pytest.fixture(scope="module")
def outcomes(toy):
    """Return a function that runs a method on the toy, once however often it is asked for."""
    known = {}

    def outcome(method):
        key = repr(method)
        if key not in known:
            known[key] = method(toy.trained, toy.observed, streams=Streams(3))
        return known[key]

    return outcome


def assert_same_outcome(left, right):
    for (name, tensor), other in zip(
        left.model.state_dict().items(), right.model.state_dict().values(), strict=True
    ):
        assert tensor.numpy().tobytes() == other.numpy().tobytes(), name
    assert (left.partition is None) == (right.partition is None)
    if left.partition is not None:
        np.testing.assert_array_equal(left.partition.ids, right.partition.ids)
        assert left.partition.quality.numpy().tobytes() == right.partition.quality.numpy().tobytes()
        assert torch.equal(left.partition.kept, right.partition.kept)
    assert (left.plan and left.plan.units) == (right.plan and right.plan.units)
    assert left.notes == right.notes
    assert (left.cost.samples_seen, left.cost.flops) == (right.cost.samples_seen, right.cost.flops)


def test_same_seed_same_bytes(method, toy, outcomes):
    assert_same_outcome(outcomes(method), method(toy.trained, toy.observed, streams=Streams(3)))


def test_permuted_samples_change_no_decision(method, toy, outcomes, permuted):
    assert_same_outcome(outcomes(method), method(toy.trained, permuted, streams=Streams(3)))


def test_nothing_of_the_callers_is_changed(method, toy, watched):
    outcome = watched(method, toy.trained, toy.observed, streams=Streams(3))
    theirs = {tensor.data_ptr() for tensor in toy.trained.model.state_dict().values()}
    assert not theirs & {tensor.data_ptr() for tensor in outcome.model.state_dict().values()}, "shared memory"


def test_the_network_that_comes_back_is_ready_to_use(method, toy, outcomes):
    model = outcomes(method).model
    assert not any(module.training for module in model.modules())
    assert all(parameter.requires_grad for parameter in model.parameters())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
    assert all(torch.isfinite(tensor).all() for tensor in model.state_dict().values())
    assert score(model, toy.test).accuracy > 0.4


def test_the_split_covers_every_sample_and_no_class_vanishes(method, toy, outcomes):
    split = outcomes(method).partition
    if split is None:
        return
    np.testing.assert_array_equal(split.ids, toy.observed.train.ids)
    assert split.quality.min() >= 0
    assert split.quality.max() <= 1
    kept = toy.observed.train.labels[split.kept]
    assert kept.unique().tolist() == [0, 1, 2, 3]


def test_the_truth_is_out_of_reach(method):
    """What a method is given does not hold it, and nothing that a method imports does either."""
    assert {field.name for field in fields(Observed)} == {"train", "holdout", "reference"}
    knows = ("unchaff.noise", "unchaff.evaluate", "unchaff.bench", "unchaff.data.write", "unchaff.runs")
    assert not [name for name in _reachable(type(method).__module__) if name.startswith(knows)]


def test_the_bytes_are_the_same_whether_or_not_the_truth_is_known(monkeypatch):
    """The whole experiment, measured with the planted truth and measured without it."""
    this = cell.Cell(noise="symmetric:0.4", model="mlp", epochs=4, controls="quick")
    known = cell.run(this)
    gathered = cell.gather
    monkeypatch.setattr(
        cell, "gather", lambda *given, **options: replace(gathered(*given, **options), truth=None)
    )
    unknown = cell.run(this)
    assert known.measured.detection is not None
    assert unknown.measured.detection is None
    assert not known.outcome.partition.abstained, "or the test would say little"
    assert_same_outcome(known.outcome, unknown.outcome)


def _reachable(module):
    """Return the package's modules that importing one module brings in, read from the sources."""
    seen, todo = set(), [module]
    while todo:
        name = todo.pop()
        if name in seen or not name.startswith("unchaff."):
            continue
        seen.add(name)
        tree = ast.parse(Path(importlib.util.find_spec(name).origin).read_text())
        todo += [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    return seen


def test_the_cost_is_what_its_stages_add_up_to(method, outcomes):
    cost = outcomes(method).cost
    for what in ("flops", "samples_seen"):
        parts = sum(getattr(stage, what) for stage in cost.stages.values())
        assert parts == pytest.approx(getattr(cost, what), rel=1e-9)


def test_a_budget_is_kept_scoring_included(method, toy, outcomes):
    if not hasattr(method, "budget"):
        return
    share = outcomes(method).cost.flops / full_cost(toy.trained, toy.observed.train).flops
    assert share <= 1.03 * method.budget
    assert share >= 0.9 * method.budget, "part of the budget was not used"


@pytest.mark.parametrize("epochs", [1, 3])
def test_a_budget_is_kept_where_the_recipe_is_short(method, toy, epochs):
    """Those that look at a finished network may cost more than so short a training by that alone."""
    if not (hasattr(method, "budget") and getattr(method, "anew", False)):
        return
    short = replace(toy.trained, recipe=replace(toy.trained.recipe, epochs=epochs))
    full = full_cost(short, toy.observed.train).flops
    for budget in {1.0, method.budget}:
        try:
            this = replace(method, budget=budget)
        except ConfigError:  # its parts need more
            continue
        outcome = this(short, toy.observed, streams=Streams(3))
        share = outcome.cost.flops / full
        assert share <= 1.03 * budget, budget
        assert share >= 0.9 * budget or "over before latent labels" in outcome.notes[0], budget


def sizes_asked(method, toy, monkeypatch):
    """Return for how many samples a method asks how networks are usually trained."""
    asked = []

    def usual(_model, size, **_):
        asked.append(size)
        return Recipe(epochs=2, batch_size=30, lr=0.05)

    monkeypatch.setattr(Recipe, "usual", usual)
    method(replace(toy.trained, recipe=None), toy.observed, streams=Streams(3))
    return set(asked)


def test_a_recipe_that_is_not_known_is_that_for_all_samples_whatever_part_is_learned_from(
    method, toy, monkeypatch
):
    """Or training on a part would take another batch size than training on all."""
    assert sizes_asked(method, toy, monkeypatch) <= {600}


def test_controls_that_learn_from_a_part_take_the_recipe_for_all(toy, monkeypatch):
    for control in (Oracle(truth=toy.truth), FinetuneAll(share=0.5)):
        assert sizes_asked(control, toy, monkeypatch) == {600}
    drop = np.arange(100, 130)
    decided = Decisions(
        ids=drop,
        kept=np.zeros(30, dtype=bool),
        labels=np.zeros(30, dtype=np.int64),
        given=np.zeros(30, dtype=np.int64),
        quality=np.full(30, np.nan),
    )
    deciding = Deciding(method=METHODS["retrain"], decisions=decided)
    assert sizes_asked(deciding, toy, monkeypatch) == {600}


def test_methods_at_equal_budget_cost_the_same(outcomes):
    ours, control = outcomes(METHODS["unlearn"]), outcomes(METHODS["finetune-all"])
    assert control.cost.flops == pytest.approx(ours.cost.flops, rel=0.05)


def test_where_there_is_no_noise_no_harm_is_done(clean_toy):
    before = score(clean_toy.trained.model, clean_toy.test).accuracy
    outcome = METHODS["unlearn"](clean_toy.trained, clean_toy.observed, streams=Streams(3))
    assert before > 0.8, "the start must be a good network for this to say anything"
    assert outcome.partition.abstained
    assert outcome.partition.kept.all()
    assert "No evidence of noise" in outcome.notes[0]
    assert score(outcome.model, clean_toy.test).accuracy >= before - 0.005
    assert outcome.plan.units == ()


def test_a_method_that_trains_anew_looks_at_no_finished_network(method, toy, outcomes):
    """Its cost is counted without the training of one: another network, and no record, change nothing."""
    if not getattr(method, "anew", False):
        return
    other = fresh_copy(toy.trained.model, streams=Streams(9)).eval()
    unknown = replace(toy.trained, model=other, record=None)
    assert_same_outcome(outcomes(method), method(unknown, toy.observed, streams=Streams(3)))


def test_all_that_train_anew_begin_with_the_same_weights(method, toy, monkeypatch):
    """Or a comparison would compare draws. Layers may be added to the network, as a projector is."""
    if not getattr(method, "anew", False):
        return
    begun = []

    class Watched(loop.Training):
        def __init__(self, model, *given, **options):
            begun.append({name: each.clone() for name, each in model.state_dict().items()})
            super().__init__(model, *given, **options)

    monkeypatch.setattr(loop, "Training", Watched)
    method(toy.trained, toy.observed, streams=Streams(3))
    expected = fresh_copy(toy.trained.model, streams=Streams(3)).state_dict()["0.0.weight"]
    assert any(torch.equal(expected, each) for start in begun for each in start.values())


def test_another_seed_gives_other_weights(toy, outcomes):
    other = METHODS["finetune-all"](toy.trained, toy.observed, streams=Streams(4)).model
    weights = outcomes(METHODS["finetune-all"]).model[3].weight
    assert not torch.equal(other[3].weight, weights)


def test_a_share_of_one_is_plain_finetuning(toy, outcomes):
    everything = FinetuneAll(share=1)
    assert_same_outcome(
        outcomes(METHODS["finetune-all"]), everything(toy.trained, toy.observed, streams=Streams(3))
    )


def test_the_last_layers_alone_can_learn(toy):
    method = replace(Unlearn(), finetune=FineTune(last=1))
    outcome = method(toy.trained, toy.observed, streams=Streams(3))
    pruned = {unit.layer for unit in outcome.plan.units}
    for name, tensor in outcome.model.state_dict().items():
        before = toy.trained.model.state_dict()[name]
        if not name.startswith("5.") and name.rpartition(".")[0] not in pruned:
            assert torch.equal(tensor, before), name
    assert not torch.equal(outcome.model[5].weight, toy.trained.model[5].weight)
