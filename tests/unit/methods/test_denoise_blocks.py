"""Blocks that undo the noise of analogue hardware, behind layers of a network that stays as it is."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from unchaff.data.prepare import Plain
from unchaff.data.sources import in_memory
from unchaff.errors import ConfigError, ModelError, NeedsError
from unchaff.evaluate.accuracy import score
from unchaff.evaluate.hardware import score_on_hardware
from unchaff.methods.denoise_blocks import DenoiseBlocks, Hardware, Noise, sensitivities
from unchaff.nets.analogue import spread_of
from unchaff.nets.denoising import BLOCKS, DRAWING, Make, blocks_in, with_blocks, without_blocks
from unchaff.records import Observed, Recipe
from unchaff.samples import Batch, Kind, canonical
from unchaff.streams import Streams
from unchaff.train.initial import train_initial

NAMES = ("0.0", "1.0", "3", "5")


def size(model):
    return sum(each.numel() for each in model.parameters())


@pytest.fixture(scope="module")
def outcome(toy):
    return DenoiseBlocks(epochs=2)(toy.trained, toy.observed, streams=Streams(0))


def test_the_network_itself_stays_bit_by_bit(toy, outcome):
    state = outcome.model.state_dict()
    plain = without_blocks(state, blocks_in(state))
    for name, each in toy.trained.model.state_dict().items():
        assert each.numpy().tobytes() == plain[name].numpy().tobytes(), name
    assert not all(
        torch.equal(each, torch.zeros_like(each)) for each in outcome.model[0][0].block.mean.parameters()
    )


@pytest.mark.parametrize("share", [0.02, 0.1, 0.4])
def test_no_more_parameters_are_added_than_allowed(toy, share):
    method = DenoiseBlocks(share=share, epochs=1)
    outcome = method(toy.trained, toy.observed, streams=Streams(0))
    added = size(outcome.model) - size(toy.trained.model)
    assert 0.2 * share < added / size(toy.trained.model) <= share
    assert f"{added / size(toy.trained.model):.2%} more parameters" in outcome.notes[0]
    assert outcome.modifications == (BLOCKS,)


def test_what_it_takes_is_charged_by_stage(outcome):
    assert {name: each.samples_seen for name, each in outcome.cost.stages.items()} == {
        "measure": 600, "placement": 600, "blocks": 1200,
    }  # fmt: skip


def test_gradients_are_those_of_the_noisy_outputs(toy):
    """Without noise, in units of the layer's deviation; found another way, by a hook."""
    model, seen = toy.trained.model, {}
    noise = Noise(dict.fromkeys(NAMES, 0.5), DenoiseBlocks(), generator=Streams(0)("noise"))
    noise.largest = 0.0
    few = toy.clean.select(toy.clean.ids[:100])
    found = sensitivities(model, NAMES, few, noise)
    handles = [
        model.get_submodule(name).register_full_backward_hook(
            lambda _module, _read, made, name=name: seen.update({name: 0.5 * float(made[0].norm())})
        )
        for name in NAMES
    ]
    batch = next(few.batches(100))
    nn.functional.cross_entropy(model(batch.inputs.requires_grad_()), batch.labels).backward()
    for handle in handles:
        handle.remove()
    model.zero_grad(set_to_none=True)
    assert found == pytest.approx(seen, rel=1e-4)


def test_blocks_go_where_the_gradient_is_largest_or_anywhere(toy):
    noise = Noise(
        spread_of(toy.trained.model, toy.observed.train, NAMES, name="measure")[0],
        DenoiseBlocks(),
        generator=Streams(5)("noise"),
    )
    norms = sensitivities(toy.trained.model, NAMES[:3], toy.observed.train, noise)
    method = DenoiseBlocks(share=10, epochs=1)
    wide = [
        list(blocks_in(each(toy.trained, toy.observed, streams=Streams(seed)).model.state_dict()))
        for each, seed in ((method, 0), (replace(method, placement="random", share=0.05), 0))
    ]
    assert set(wide[0]) == set(NAMES[:3])
    first = max(norms, key=norms.get)
    one = DenoiseBlocks(share=0.02, epochs=1, own=False)(toy.trained, toy.observed, streams=Streams(0))
    assert first in blocks_in(one.model.state_dict())
    assert len(wide[1]) < 3


def test_the_loss_is_cross_entropy_and_the_likelihood_of_the_noise_that_was_added(toy):
    model = with_blocks(toy.trained.model, {"3": Make(width=2, own=True)})
    block = model[3].block
    block.scale.fill_(2.0)
    with torch.no_grad():
        block.mean.bias.fill_(0.3)
        block.spread.bias.fill_(-0.5)
    method = DenoiseBlocks(weakest=1.0, strength=0.5, weight=2.0)
    noise = Noise({"3": 1.5}, method, generator=Streams(0)("noise"))
    batch = next(toy.clean.batches(50))
    outputs = Hardware(model, ("3",), noise)(batch.inputs)
    again = Streams(0)("noise")
    torch.rand((), generator=again)
    drawn = 0.75 * torch.randn(50, 24, generator=again)
    expected = 0.5 * (-0.5 + (drawn / 2 - 0.3).square() / torch.tensor(-0.5).exp()).mean(1)
    torch.testing.assert_close(outputs[:, -1], expected)
    labels = batch.labels
    torch.testing.assert_close(
        noise(outputs, Batch(batch.ids, batch.rows, batch.inputs, labels)),
        nn.functional.cross_entropy(outputs[:, :-1], labels, reduction="none") + 2 * expected,
    )


def test_blocks_can_learn_from_what_the_network_says_itself(toy):
    method = DenoiseBlocks(labels="own", epochs=1)
    shuffled = toy.observed.train.relabel(toy.observed.train.labels.flip(0))
    streams = Streams(0)
    one = method(toy.trained, toy.observed, streams=streams)
    other = method(toy.trained, Observed(train=shuffled), streams=streams)
    for name, each in one.model.state_dict().items():
        assert torch.equal(each, other.model.state_dict()[name]), name
    assert one.cost.stages["own labels"].samples_seen == 600


class Aside(nn.Module):
    """A layer that runs and says nothing."""

    def __init__(self):
        super().__init__()
        self.first, self.unheard, self.last = nn.Linear(64, 32), nn.Linear(32, 32), nn.Linear(32, 4)

    def forward(self, inputs):
        hidden = self.first(inputs.flatten(1)).relu()
        self.unheard(hidden)
        return self.last(hidden)


def test_a_layer_that_is_not_heard_comes_last(toy):
    trained = replace(toy.trained, model=Aside())
    outcome = DenoiseBlocks(epochs=1, share=0.08)(trained, toy.observed, streams=Streams(0))
    assert list(blocks_in(outcome.model.state_dict())) == ["first", "unheard"]
    little = DenoiseBlocks(epochs=1, share=0.03)(trained, toy.observed, streams=Streams(0))
    assert list(blocks_in(little.model.state_dict())) == ["first"]


def test_blocks_that_draw_say_so(toy):
    method = DenoiseBlocks(draws=True, epochs=1)
    assert method(toy.trained, toy.observed, streams=Streams(0)).modifications == (DRAWING,)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"strength": 0.0}, "strength and share must be"),
        ({"weakest": 1.2}, "weakest must be"),
        ({"epochs": 0}, "epochs must be"),
    ],
)
def test_settings_that_mean_nothing_are_refused(given, said):
    with pytest.raises(ConfigError, match=said):
        DenoiseBlocks(**given)


def test_what_it_cannot_work_with_is_told_at_the_start(toy):
    with pytest.raises(ModelError, match="'0' is no linear or convolution layer"):
        DenoiseBlocks(layers=("0",))(toy.trained, toy.observed, streams=Streams(0))
    with pytest.raises(NeedsError, match="Give a larger share"):
        DenoiseBlocks(share=0.001)(toy.trained, toy.observed, streams=Streams(0))
    has_blocks = replace(toy.trained, model=with_blocks(toy.trained.model, {"3": Make(width=2)}))
    with pytest.raises(NeedsError, match="has denoising blocks already"):
        DenoiseBlocks()(has_blocks, toy.observed, streams=Streams(0))
    flat = nn.Sequential(nn.Flatten(), nn.Linear(64, 4))
    with pytest.raises(NeedsError, match="at least one hidden layer"):
        DenoiseBlocks()(replace(toy.trained, model=flat), toy.observed, streams=Streams(0))


def rows(count):
    """Six clusters of rows of 16 numbers."""
    centres = torch.randn(6, 16, generator=Streams(0)("centres"))
    labels = torch.arange(count) % 6
    inputs = 0.7 * (centres[labels] + torch.randn(count, 16, generator=Streams(count)("rows")))
    names, kind = tuple("abcdef"), Kind("tabular", (16,))
    return canonical(range(count), labels, class_names=names, kind=kind, source=in_memory(inputs, Plain()))


@pytest.fixture(scope="module")
def wide():
    """A network with 64 units behind 16 numbers, so that what it says can be told from noise."""
    train, test = rows(1200), rows(3000)
    with Streams(0).forked_global("wide"):
        network = nn.Sequential(nn.Linear(16, 64), nn.ReLU(), nn.Linear(64, 6))
    recipe = Recipe(epochs=8, batch_size=40, lr=3e-3, adam=True)
    return train_initial(network, train, recipe, streams=Streams(0)), Observed(train=train), test


def accuracies(model, test, strengths):
    found = score_on_hardware(model, test, strengths, streams=Streams(5), layers=("0",))
    return [found[strength].accuracy for strength in strengths]


def test_noise_is_taken_off_and_what_is_left_is_foretold(wide):
    """The spec's numbers: what is left below 0.8 of the noise, its variance foretold within a tenth."""
    trained, observed, test = wide
    method = DenoiseBlocks(layers=("0",), weakest=1.0, strength=1.5, share=5, epochs=30, lr=1e-2)
    model = method(trained, observed, streams=Streams(0)).model
    layer, block = model[0].layer, model[0].block
    with torch.no_grad():
        clean = layer(next(test.batches(3000)).inputs)
        noise = 1.5 * clean.std() * torch.randn(clean.shape, generator=Streams(1)("noise"))
        left = block(clean + noise) - clean
        foretold = block.spread(block.code((clean + noise) / block.scale)).exp() * block.scale.square()
    assert left.square().mean() < 0.8 * noise.square().mean()
    torch.testing.assert_close(foretold.mean(), left.square().mean(), rtol=0.1, atol=0)


def test_accuracy_under_noise_is_won_and_none_is_lost_without(wide):
    trained, observed, test = wide
    method = DenoiseBlocks(layers=("0",), weakest=0.0, strength=1.5, share=5, epochs=20, lr=1e-2)
    model = method(trained, observed, streams=Streams(0)).model
    clean, noisy = accuracies(model, test, (0.0, 1.5))
    before, lost = accuracies(trained.model, test, (0.0, 1.5))
    assert clean == score(model, test).accuracy >= before - 0.005
    assert noisy > lost + 0.02, (noisy, lost)


@pytest.mark.slow
def test_random_places_do_not_beat_those_by_gradient(clean_toy):
    """Mean of five seeds, at room for one wide block or a few narrow ones."""
    won = []
    for seed in range(5):
        method = DenoiseBlocks(strength=0.5, share=0.03, lr=1e-2, layers=NAMES[:3])
        models = [
            replace(method, placement=placement)(
                clean_toy.trained, clean_toy.observed, streams=Streams(seed)
            ).model
            for placement in ("gradient", "random")
        ]
        found = [
            score_on_hardware(each, clean_toy.observed.train, (0.5,), streams=Streams(5), layers=NAMES[:3])[
                0.5
            ].accuracy
            for each in models
        ]
        won.append(found[0] - found[1])
    assert sum(won) >= 0, won
