"""Training with noise inside the layers."""

from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn import functional

from unchaff.data.prepare import Pixels
from unchaff.data.sources import in_memory
from unchaff.errors import ConfigError, ModelError, NeedsError
from unchaff.evaluate.accuracy import score
from unchaff.evaluate.attacks import Attack, score_under
from unchaff.methods.beginning import fresh_copy
from unchaff.methods.layer_noise import ClosedForm, Course, LayerNoise, Sampled
from unchaff.methods.retrain import Retrain
from unchaff.records import Observed
from unchaff.samples import Batch, canonical
from unchaff.streams import Streams
from unchaff.train.initial import full_cost, phase_by
from unchaff.train.loop import fit

NAMES = ("0.0", "1.0", "3")
MODES = [
    LayerNoise(mode="sampled"),
    LayerNoise(mode="sampled", draws=3),
    LayerNoise(mode="closed-form"),
    LayerNoise(mode="closed-form", loss="second-order"),
]
WHITE = Attack(epsilon=0.06, step=0.015, steps=20)


def carried(method, model):
    course = Course(method, generator=Streams(0)("noise"))
    return (Sampled if method.mode == "sampled" else ClosedForm)(model, NAMES, course), course


def gradients(learner, loss, batch):
    learner.zero_grad()
    loss(learner(batch.inputs), batch).mean().backward()
    return {name.removeprefix("model."): each.grad.clone() for name, each in learner.named_parameters()}


@pytest.mark.parametrize("method", MODES, ids=lambda each: f"{each.mode} {each.draws} {each.loss}")
def test_without_noise_loss_and_gradient_are_those_of_plain_training(toy, method):
    batch = next(toy.clean.batches(60))
    learner, course = carried(replace(method, sigma=0.0), fresh_copy(toy.trained.model, streams=Streams(0)))
    plain = functional.cross_entropy(learner.model(batch.inputs), batch.labels, reduction="none")
    torch.testing.assert_close(course(learner(batch.inputs), batch), plain)
    expected = gradients(
        learner.model, lambda outputs, batch: functional.cross_entropy(outputs, batch.labels), batch
    )
    for name, each in gradients(learner, course, batch).items():
        torch.testing.assert_close(each, expected[name], rtol=1e-4, atol=1e-5)


def test_a_whole_training_without_noise_is_a_plain_one(toy):
    outcome = LayerNoise(sigma=0.0)(toy.trained, toy.observed, streams=Streams(3))
    phase = phase_by(replace(toy.trained.recipe, augment=True), 600)
    fresh = fresh_copy(toy.trained.model, streams=Streams(3))
    plain = fit(fresh, toy.observed.train, phase, streams=Streams(3).fork("layer-noise"))
    for name, each in plain.model.state_dict().items():
        assert torch.equal(each, outcome.model.state_dict()[name]), name


def test_the_loss_of_several_draws_is_their_mean():
    course = Course(LayerNoise(draws=2), generator=Streams(0)("noise"))
    outputs = torch.tensor([[2.0, 0.0], [0.0, 1.0], [0.0, 0.0], [3.0, 0.0]])
    labels = torch.tensor([0, 1])
    said = course(outputs, Batch(labels.numpy(), labels.numpy(), outputs[:2], labels))
    each = functional.cross_entropy(outputs, torch.tensor([0, 1, 0, 1]), reduction="none")
    torch.testing.assert_close(said, torch.stack([(each[0] + each[2]) / 2, (each[1] + each[3]) / 2]))


def test_the_noise_rises_and_stays():
    course = Course(LayerNoise(sigma=0.4), generator=Streams(0)("noise"))
    course.epochs, said = 4, []
    for course.epoch in range(6):
        said.append(course.strength)
    assert said == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.4, 0.4])


@pytest.mark.parametrize("method", MODES, ids=lambda each: f"{each.mode} {each.draws} {each.loss}")
def test_every_mode_keeps_to_its_budget_at_its_own_price(toy, method):
    outcome = replace(method, budget=0.5)(toy.trained, toy.observed, streams=Streams(0))
    share = outcome.cost.flops / full_cost(toy.trained, toy.observed.train).flops
    assert share == pytest.approx(0.5, rel=0.03)
    assert set(outcome.cost.stages) == {"train", "settle"}
    plain = Retrain(budget=0.5)(toy.trained, toy.observed, streams=Streams(0)).cost.stages["retrain"]
    assert (outcome.cost.stages["train"].samples_seen < 0.7 * plain.samples_seen) == (
        method.mode == "closed-form" or method.draws > 1
    )


def test_what_the_closed_form_cannot_carry_is_refused_before_training(toy):
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 8), nn.Tanh(), nn.Linear(8, 4))
    trained = replace(toy.trained, model=model, initial=None)
    with pytest.raises(NeedsError, match=r"the network has 2 \(Tanh\)\. Use mode='sampled'"):
        LayerNoise(mode="closed-form")(trained, toy.observed, streams=Streams(0))
    LayerNoise(budget=0.1)(trained, toy.observed, streams=Streams(0))


def test_layers_that_do_not_run_are_refused_by_name(toy):
    with pytest.raises(ModelError, match=r"'nothing' is no layer that runs\. Layers: 0\.0"):
        LayerNoise(layers=("nothing",))(toy.trained, toy.observed, streams=Streams(0))
    flat = replace(toy.trained, model=nn.Sequential(nn.Flatten(), nn.Linear(64, 4)))
    with pytest.raises(NeedsError, match="needs a layer before the last one"):
        LayerNoise()(flat, toy.observed, streams=Streams(0))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"sigma": -1.0}, "sigma must be"),
        ({"draws": 0}, "draws must"),
        ({"budget": 0}, "budget"),
    ],
)
def test_settings_that_mean_nothing_are_refused(given, said):
    with pytest.raises(ConfigError, match=said):
        LayerNoise(**given)


def easily_led(toy, count):
    """Pictures whose upper half shows their class strongly, at times a wrong one; the lower half faintly."""
    draw = Streams(count)("pictures")
    labels = torch.arange(count) % 4
    signs = torch.rand(4, 1, 8, 8, generator=Streams(0)("signs")).sub(0.5).sign()
    other = (labels + 1 + torch.randint(3, (count,), generator=draw)) % 4
    shown = torch.where(torch.rand(count, generator=draw) < 0.1, other, labels)
    inputs = torch.full((count, 1, 8, 8), 0.5)
    inputs[:, :, :4] += 0.3 * signs[shown][:, :, :4]
    inputs[:, :, 4:] += 0.04 * signs[labels][:, :, 4:]
    deviations = torch.cat([torch.full((4, 8), 0.15), torch.full((4, 8), 0.04)])
    inputs += deviations * torch.randn(inputs.shape, generator=draw)
    pixels = in_memory((inputs.clamp(0, 1) * 255).byte(), Pixels())
    names, kind = toy.clean.class_names, toy.clean.kind
    return canonical(range(count), labels, class_names=names, kind=kind, source=pixels)


@pytest.fixture(scope="module")
def led(toy):
    return toy.trained, Observed(train=easily_led(toy, 600)), easily_led(toy, 400)


def test_robustness_rises_with_the_noise_and_plain_accuracy_falls(led):
    """Faint signs are right more often than strong ones, and are what an attack turns round."""
    trained, observed, test = led
    methods = [Retrain(), LayerNoise(sigma=0.2), LayerNoise(sigma=0.5)]
    models = [each(trained, observed, streams=Streams(1)).model for each in methods]
    plain = [score(each, test).accuracy for each in models]
    moved = [score_under(WHITE, each, test, streams=Streams(0)).accuracy for each in models]
    assert plain[0] >= plain[1] >= plain[2] - 0.005, plain
    assert moved[0] + 0.1 < moved[1] < moved[2], moved
    # No gradient is masked: another network's attack, and one of more steps, are not stronger.
    other = score_under(WHITE, models[2], test, streams=Streams(0), source=models[0]).accuracy
    longer = score_under(replace(WHITE, steps=80), models[2], test, streams=Streams(0)).accuracy
    assert other >= moved[2]
    assert longer >= moved[2] - 0.02


def test_the_closed_form_is_robust_too(led):
    trained, observed, test = led
    methods = [Retrain(), LayerNoise(sigma=0.25, mode="closed-form")]
    models = [each(trained, observed, streams=Streams(1)).model for each in methods]
    moved = [score_under(WHITE, each, test, streams=Streams(0)).accuracy for each in models]
    assert moved[1] > moved[0] + 0.2, moved
