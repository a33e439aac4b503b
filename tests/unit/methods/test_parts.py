from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import one_hot

from unchaff.bench.cell import Cell, run
from unchaff.data import Options
from unchaff.errors import ConfigError
from unchaff.methods.beginning import fresh_copy
from unchaff.methods.channels import by_both, by_inputs, restricted
from unchaff.methods.early_stop import Best, EarlyStop
from unchaff.methods.finetune import FineTune, Lesson, Part, Schedule, last_layers, small_side
from unchaff.methods.finetune_all import FinetuneAll
from unchaff.methods.published import Published, least_squares
from unchaff.methods.retrain import Retrain
from unchaff.methods.unlearn import Allowed, Unlearn
from unchaff.nets.flops import count, forward
from unchaff.partition.mixture import Mixture
from unchaff.partition.transition import Transition
from unchaff.records import Cost, Evidence, Observed, Recipe, Trained
from unchaff.samples import Kind
from unchaff.streams import Streams
from unchaff.train.initial import full_cost
from unchaff.train.loop import Fitted


def same_weights(left, right):
    return all(torch.equal(left.state_dict()[name], tensor) for name, tensor in right.state_dict().items())


def test_a_shrink_of_one_leaves_the_weights(toy):
    start = FineTune(shrink=1).start(toy.trained, streams=Streams(0))
    assert same_weights(start, toy.trained.model)
    assert start is not toy.trained.model


def test_shrinking_goes_towards_the_initial_weights(toy):
    start = FineTune(shrink=0.25).start(toy.trained, streams=Streams(0))
    initial, trained = toy.trained.initial["3.weight"], toy.trained.model[3].weight
    torch.testing.assert_close(start[3].weight, 0.25 * trained + 0.75 * initial)
    assert torch.equal(start[0][1].running_var, toy.trained.model[0][1].running_var)


def test_a_pretrained_start_and_last_layers_are_not_shrunk(toy):
    for recipe, trained in (
        (FineTune(), replace(toy.trained, pretrained=True)),
        (FineTune(last=2), toy.trained),
    ):
        assert same_weights(recipe.start(trained, streams=Streams(0)), toy.trained.model)


def test_without_initial_weights_new_ones_are_drawn_by_seed(toy):
    trained = replace(toy.trained, initial=None)
    first, same, other = (FineTune().start(trained, streams=Streams(seed)) for seed in (0, 0, 1))
    assert same_weights(first, same)
    assert not same_weights(first, other)


def test_the_published_repair_pays_for_its_pass_over_what_the_layer_says(toy):
    outcome = Published(epochs=0.1)(toy.trained, toy.observed, streams=Streams(0))
    once = forward(toy.trained.model, next(toy.observed.train.batches(2)).inputs)
    prune, head = outcome.cost.stages["prune"], 2 * 24 * 4
    assert (prune.samples_seen, prune.flops) == (600, 600 * once)
    assert prune.seconds > 0
    assert outcome.plan.cost.flops == prune.flops
    # Scoring: a forward pass, and one backward pass through the head for each of the four classes.
    assert outcome.cost.stages["score"].flops == 600 * (once + 4 * head)


def test_the_last_layers_are_named_with_their_norms(toy):
    assert last_layers(toy.trained.model, toy.observed.train, 1) == ("5",)
    assert last_layers(toy.trained.model, toy.observed.train, 3) == ("1.0", "1.1", "3", "5")


@pytest.mark.parametrize("last", [None, 1])
def test_a_schedule_spends_what_it_was_given_on_one_cosine(toy, last):
    flops = 0.3 * full_cost(toy.trained, toy.observed.train).flops
    parts = (Part(0.6, small=True, rescore=True), Part(0.4))
    recipe = FineTune(last=last)
    schedule = Schedule.plan(recipe, parts, toy.trained, toy.observed.train, flops=flops)
    assert schedule.batch_size == 15, "half of the batches of the recipe"
    assert schedule.side is None, "pictures of 8 pixels are not made smaller"
    model, cost = toy.trained.model, 0.0
    for _ in parts:
        fitted = schedule.run(model, Lesson(toy.observed.train), streams=Streams(0))
        model, cost = fitted.model, cost + fitted.cost.flops
    assert 0.98 * flops < cost <= flops
    assert schedule.steps[0] / sum(schedule.steps) == pytest.approx(0.6, abs=0.01)


@pytest.mark.parametrize(("steps", "is_shrunk"), [(50, False), (150, True)])
def test_weights_are_shrunk_only_where_enough_steps_follow(toy, steps, is_shrunk):
    samples = toy.observed.train
    flops = (steps + 0.5) * 15 * count(toy.trained.model, next(samples.batches(2)).inputs).training
    schedule = Schedule.plan(FineTune(), (Part(1.0),), toy.trained, samples, flops=flops)
    assert schedule.steps == [steps]
    assert same_weights(schedule.start(streams=Streams(0)), toy.trained.model) != is_shrunk


def test_fewer_weights_than_samples_are_not_shrunk(toy):
    samples = toy.observed.train
    weights = sum(each.numel() for each in toy.trained.model.parameters())
    flops = 150.5 * 15 * count(toy.trained.model, next(samples.batches(2)).inputs).training
    schedule = Schedule.plan(FineTune(), (Part(1.0),), toy.trained, samples, flops=flops)
    assert schedule.over(weights).recipe == FineTune()
    assert schedule.over(weights + 1).recipe == FineTune().gentle()
    anew = Schedule.plan(FineTune().anew(0.1), (Part(1.0),), toy.trained, samples, flops=flops)
    assert anew.over(weights + 1).recipe == anew.recipe


def test_new_weights_stay_new_with_few_steps(toy):
    new = FineTune().anew(0.1)
    schedule = Schedule.plan(new, (Part(1.0),), toy.trained, toy.observed.train, flops=1.0)
    assert schedule.steps == [1]
    assert schedule.recipe == new


@pytest.mark.parametrize(
    ("first", "later", "are_few", "left"),
    [(20, 0, False, 80), (20, 40, False, 40), (20, 60, True, 30), (80, 0, True, 100), (300, 0, True, 100)],
)
def test_where_the_first_look_leaves_little_learning_gets_the_whole_budget(first, later, are_few, left):
    allowed = Allowed(100.0 - first, 100.0)
    assert allowed.are_few(after=later) == are_few
    assert allowed.left(after=later) == left


@pytest.mark.parametrize(("passes", "reach"), [(4, 1 / 16), (11, 1 / 16), (13, 1 / 8), (60, 1 / 8)])
def test_pictures_move_further_where_they_come_back_often(toy, monkeypatch, passes, reach):
    samples = toy.observed.train
    flops = passes * len(samples) * count(toy.trained.model, next(samples.batches(2)).inputs).training
    schedule = Schedule.plan(FineTune(), (Part(0.5), Part(0.5)), toy.trained, samples, flops=flops)
    seen = []

    def learned(model, _, phase, **_others):
        seen.append(phase)
        return Fitted(model, model, Cost())

    monkeypatch.setattr("unchaff.methods.finetune.fit", learned)
    schedule.run(toy.trained.model, Lesson(samples), streams=Streams(0))
    assert [phase.reach for phase in seen] == [reach]


def test_a_random_subset_is_learned_with_the_crops_of_the_whole(toy, monkeypatch):
    seen = []

    def learned(model, samples, phase, **_others):
        seen.append((len(samples), phase))
        return Fitted(model, model, Cost())

    monkeypatch.setattr("unchaff.methods.finetune.fit", learned)
    whole = FinetuneAll(budget=0.25)
    whole(toy.trained, toy.observed, streams=Streams(0))
    parts = len(seen)
    passes = sum(phase.steps * phase.batch_size for _, phase in seen) / len(toy.observed.train)
    monkeypatch.setattr("unchaff.methods.finetune.LONG", 1.5 * passes)
    replace(whole, share=0.5)(toy.trained, toy.observed, streams=Streams(0))
    of_whole, of_half = seen[:parts], seen[parts:]
    assert [2 * size for size, _ in of_half] == [size for size, _ in of_whole]
    assert [phase.reach for _, phase in of_half] == [phase.reach for _, phase in of_whole] == [1 / 16] * parts


def test_last_layers_alone_leave_the_rest_bit_identical_buffers_included(toy):
    schedule = Schedule.plan(
        FineTune(last=2), (Part(1),), toy.trained, toy.observed.train, flops=2e7
    )  # fmt: skip
    tuned = schedule.run(toy.trained.model, Lesson(toy.observed.train), streams=Streams(0)).model
    for name, tensor in toy.trained.model.state_dict().items():
        assert torch.equal(tensor, tuned.state_dict()[name]) != name.startswith(("3.", "5.")), name


def test_small_pictures_are_used_where_the_network_takes_them(toy):
    large = replace(toy.observed.train, kind=Kind("image", (1, 32, 32)))
    example = torch.zeros(2, 1, 32, 32)
    assert small_side(toy.trained.model, large, example, 0.75) == 24
    fixed = nn.Sequential(nn.Flatten(), nn.Linear(1024, 4))
    assert small_side(fixed, large, example, 0.75) is None
    assert small_side(toy.trained.model, large, example, 1.0) is None
    sound = replace(large, kind=Kind("audio", (1, 32, 32)))
    assert small_side(toy.trained.model, sound, example, 0.75) is None


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: FineTune(shrink=1.5), r"shrink must be in \[0, 1\], got 1.5"),
        (lambda: FineTune(last=0), "at least 1 layer, got 0"),
        (lambda: FinetuneAll(share=0), r"share must be in \(0, 1\], got 0"),
        (lambda: Published(share=2), r"share must be in \[0, 1\], got 2"),
        (lambda: Retrain(budget=0), "budget must be above 0, got 0"),
        (lambda: Unlearn(budget=-1), r"budget must be in \(0, 10\], got -1"),
    ],
    ids=["shrink", "last", "share", "published", "retrain", "unlearn"],
)
def test_settings_out_of_range_are_refused(make, message):
    with pytest.raises(ConfigError, match=message):
        make()


def test_a_random_share_has_its_size_and_the_same_cost(toy):
    whole, half = FinetuneAll(budget=0.2), FinetuneAll(budget=0.2, share=0.5)
    costs = [method(toy.trained, toy.observed, streams=Streams(0)).cost for method in (whole, half)]
    assert costs[0].flops == pytest.approx(costs[1].flops, rel=0.02)


def test_the_published_method_is_flagged_and_prunes_rows_only(toy):
    outcome = Published(share=0.25)(toy.trained, toy.observed, streams=Streams(0))
    assert len(outcome.plan.units) == 6
    assert any("published" in note.lower() for note in outcome.notes)
    assert outcome.model[3].weight[outcome.plan.by_layer()["3"]].abs().sum() > 0, (
        "no mask: the rows grow back"
    )


def test_least_squares_is_that_of_the_normal_equations():
    draw = torch.Generator().manual_seed(0)
    features = torch.randn(50, 3, generator=draw, dtype=torch.float64)
    target = features @ torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64) + 4
    torch.testing.assert_close(least_squares(features, target).tolist(), [1.0, -2.0, 0.5])


def test_a_retraining_starts_from_new_weights_and_spends_its_budget(toy):
    half = Retrain(budget=0.5)(toy.trained, toy.observed, streams=Streams(0))
    assert half.cost.samples_seen == 5.5 * 600  # of eleven epochs
    recipe = Recipe(epochs=1, batch_size=30)
    once = Retrain()(replace(toy.trained, recipe=recipe), toy.observed, streams=Streams(0))
    assert once.cost.samples_seen == 600


def test_a_network_of_unknown_recipe_can_be_repaired(toy):
    unknown = Trained(model=toy.trained.model)
    outcome = Unlearn(budget=0.02)(unknown, Observed(train=toy.observed.train), streams=Streams(0))
    np.testing.assert_array_equal(outcome.partition.ids, toy.observed.train.ids)


def evidence():
    draw = torch.Generator().manual_seed(0)
    labels, wrong = torch.arange(400) % 4, torch.rand(400, generator=draw) < 0.3
    sound = torch.where(torch.rand(400, generator=draw) < 0.25, 0.05, 0.95)
    suggested = torch.where(wrong | (sound < 0.5), (labels + 1) % 4, labels)
    total = torch.randn(400, generator=draw) - 6.0 * wrong
    return wrong, sound, Evidence(
        ids=np.arange(400), labels=labels, total=total, suggested=suggested,
        confidence=torch.rand(400, generator=draw), disagreement=0.3, columns={"one": total},
    )  # fmt: skip


def test_inputs_alone_decide_by_their_own_probability():
    _, sound, seen = evidence()
    split = by_inputs(seen, sound)
    assert torch.equal(split.kept, sound > 0.5)
    assert "of the inputs are unlike the others" in split.reason


def test_spoiled_inputs_that_still_show_their_label_are_kept():
    _, sound, seen = evidence()
    split = by_inputs(replace(seen, suggested=seen.labels), sound)
    assert split.kept.all()
    assert torch.equal(split.quality, sound), "quality speaks of the input all the same"


def test_what_is_read_from_spoiled_inputs_must_be_more_than_chance():
    """Of two classes half are guessed; that is no reading, though it is half as often right as 0.95."""
    draw = torch.Generator().manual_seed(1)
    _, sound, seen = evidence()
    labels, right = torch.arange(400) % 2, torch.rand(400, generator=draw)
    suggested = torch.where(right < torch.where(sound > 0.5, 0.95, 0.5), labels, 1 - labels)
    split = by_inputs(replace(seen, labels=labels, suggested=suggested), sound)
    assert torch.equal(split.kept, sound > 0.5)
    read = torch.where(right < torch.where(sound > 0.5, 0.95, 0.93), labels, 1 - labels)
    assert by_inputs(replace(seen, labels=labels, suggested=read), sound).kept.all()


def test_both_channels_must_agree_to_keep():
    wrong, sound, seen = evidence()
    split = by_both(seen, sound, Mixture())
    assert (split.kept == ((sound > 0.5) & ~wrong)).float().mean() > 0.97
    assert (split.quality <= sound + 1e-6).all()


def test_labels_are_judged_by_their_opinions_among_the_sound_inputs():
    wrong, sound, seen = evidence()
    shown = torch.where(wrong, (seen.labels + 1) % 4, seen.labels)
    opinion = torch.randn(400, 4, generator=torch.Generator().manual_seed(2)) + 5.0 * one_hot(shown, 4)
    opinion[sound < 0.5] = 0.0  # nothing is read from spoiled inputs
    seen = replace(seen, opinions={"readout": opinion})
    assert len(restricted(seen, sound > 0.5).opinions["readout"]) == int((sound > 0.5).sum())
    split = by_both(seen, sound, Transition())
    assert (split.kept == ((sound > 0.5) & ~wrong)).float().mean() > 0.97
    judged = (sound > 0.5) & wrong
    assert (split.suggested[judged] == shown[judged]).float().mean() > 0.95


def test_sound_labels_leave_the_decision_to_the_inputs():
    _, sound, seen = evidence()
    agreeing = torch.where(sound > 0.5, seen.labels, (seen.labels + 1) % 4)
    split = by_both(replace(seen, suggested=agreeing), sound, Mixture())
    assert torch.equal(split.kept, sound > 0.5)
    assert "No evidence of noise" in split.reason


@pytest.mark.parametrize(("wrong", "disputed"), [(0.01, False), (0.04, True)])
def test_a_few_labels_that_look_wrong_beside_spoiled_inputs_are_left_alone(wrong, disputed):
    _, sound, seen = evidence()

    def rule(part):
        quality = torch.full((len(part.ids),), 0.99)
        quality[: round(wrong * len(quality))] = 0.01
        return replace(Mixture()(part), quality=quality, kept=quality > 0.5, abstained=False)

    split = by_both(seen, sound, rule)
    assert torch.equal(split.kept, sound > 0.5) != disputed
    assert ("surely wrong, too few to act on" in split.reason) != disputed
    diffuse = by_both(seen, sound, lambda part: replace(rule(part), quality=0.7 + 0 * part.total))
    assert "too few to act on" not in diffuse.reason, "of no label it is sure, and of all it has doubts"


def test_sound_labels_and_readable_inputs_leave_nothing_to_reject():
    _, sound, seen = evidence()
    agreeing = seen.labels.clone()
    unread = (sound < 0.5).nonzero()[:5]
    agreeing[unread] = (agreeing[unread] + 1) % 4
    split = by_both(replace(seen, suggested=agreeing), sound, Mixture())
    assert split.kept.all()
    assert torch.equal(split.quality, sound)


def test_restricted_evidence_is_about_the_chosen_only():
    _, sound, seen = evidence()
    part = restricted(seen, sound > 0.5)
    inside = (sound > 0.5).numpy()
    np.testing.assert_array_equal(part.ids, seen.ids[inside])
    assert len(part.labels) == len(part.total) == len(part.columns["one"]) == inside.sum()
    assert part.disagreement == pytest.approx(0.3, abs=0.1)


def test_a_budget_that_cannot_be_kept_is_said(toy):
    outcome = Unlearn(budget=0.001)(toy.trained, toy.observed, streams=Streams(0))
    assert any("above the budget of 0.001" in note for note in outcome.notes)


def test_early_stop_keeps_the_first_best_epoch(toy):
    outcome = EarlyStop()(toy.trained, toy.observed, streams=Streams(0))
    assert "was the best on noisy validation" in outcome.notes[0]
    held = round(0.1 * len(toy.observed.train))
    assert outcome.cost.stages["validation"].samples_seen == held * toy.trained.recipe.epochs


def test_the_best_is_kept_and_not_what_came_later(toy):
    best = Best(toy.trained, toy.observed.train)
    other = fresh_copy(toy.trained.model, streams=Streams(1))
    best.end_epoch(toy.trained.model)
    best.end_epoch(other)
    best.end_epoch(toy.trained.model)
    assert (best.epoch, best.epochs) == (1, 3)
    for name, tensor in toy.trained.model.state_dict().items():
        assert torch.equal(tensor, best.model.state_dict()[name]), name


def test_held_layers_keep_their_weights_follow_the_data_and_make_steps_cheaper(toy):
    def planned(held):
        return Schedule.plan(
            FineTune(), (Part(1, held=held),), toy.trained, toy.observed.train, flops=2e8
        )  # fmt: skip

    schedule, free = planned(0.5), planned(0.0)
    assert schedule.holds == [("0.0", "0.1", "1.0", "1.1")]
    assert schedule.steps[0] > 1.2 * free.steps[0]
    fitted = schedule.run(toy.trained.model, Lesson(toy.observed.train), streams=Streams(0))
    assert 0.98 * 2e8 < fitted.cost.flops <= 2e8
    before = toy.trained.model.state_dict()
    for name, tensor in fitted.model.state_dict().items():
        stays = name.startswith(("0.", "1.")) and name.endswith(("weight", "bias"))
        assert torch.equal(tensor, before[name]) == stays, name
    assert all(each.requires_grad for each in fitted.model.parameters())


@pytest.mark.parametrize("epochs", [4, 15])
def test_weights_that_were_shrunk_are_trained_again_though_looking_takes_the_budget(epochs):
    """Before, one step was left for learning: the network was ruined, and its second look found no noise."""
    cell = Cell(
        data="digits", options=Options(rows=500), noise="symmetric:0.3", model="mlp", epochs=epochs, seed=1,
        device="cpu", controls="none",
    )  # fmt: skip
    found = run(cell)
    assert found.measured.after.accuracy > found.measured.before.accuracy + 0.05
    assert found.measured.detection.auroc > 0.97
    learning = found.outcome.cost.stages["fine-tune"].flops / found.measured.full.flops
    assert learning > 0.3 * 0.25 - 0.01, "but for the last step"


def test_columns_that_a_rule_adds_are_kept_beside_those_of_the_inputs():
    _, sound, seen = evidence()
    inside = sound > 0.5

    def rule(part):
        split = Mixture()(part)
        return replace(split, evidence={**split.evidence, "added": part.total})

    split = by_both(seen, sound, rule)
    assert {"added", *seen.columns} <= set(split.evidence)
    assert torch.equal(split.evidence["added"][inside], seen.total[inside])
    assert split.evidence["added"][~inside].isnan().all()
