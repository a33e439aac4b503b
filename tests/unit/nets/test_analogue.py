"""Noise on what layers return, and blocks behind them."""

import pytest
import torch
from torch import nn

from unchaff.errors import ModelError
from unchaff.nets.analogue import analogue_layers, layer_of, noisy, of_spread, spread_of
from unchaff.nets.denoising import Make, blocks_in, with_blocks, without_blocks
from unchaff.nets.hooks import read_outputs
from unchaff.streams import Streams

BLOCKS = {"0.0": Make(width=2, own=True), "1.0": Make(width=8), "3": Make(width=6, own=True, draws=True)}
NAMES = ("0.0", "1.0", "3", "5")


@pytest.fixture
def inputs(toy):
    return next(toy.test.batches(120)).inputs


def test_a_spread_is_the_deviation_of_all_clean_outputs(toy, inputs):
    spread, cost = spread_of(toy.trained.model, toy.test, NAMES, name="measure")
    with torch.no_grad(), read_outputs(toy.trained.model, list(NAMES)) as seen:
        toy.trained.model(inputs)
    assert spread == pytest.approx({name: float(seen[name].std(correction=0)) for name in NAMES}, rel=1e-4)
    assert cost.samples_seen == 120
    assert list(cost.stages) == ["measure"]


def test_noise_is_as_strong_as_asked_and_gone_afterwards(toy, inputs):
    model, generator = toy.trained.model, Streams(0)("noise")
    plain = model(inputs)
    with noisy(model, NAMES, of_spread(dict.fromkeys(NAMES, 2.0), 0.5), generator) as added:
        assert not torch.equal(model(inputs), plain)
    assert set(added) == set(NAMES)
    for name in ("0.0", "1.0"):
        assert float(added[name].std()) == pytest.approx(1.0, rel=0.02)
    assert torch.equal(model(inputs), plain)
    assert not any(module._forward_hooks for module in model.modules())
    with noisy(model, NAMES, of_spread(dict.fromkeys(NAMES, 2.0), 0.0), generator):
        assert torch.equal(model(inputs), plain)


def test_blocks_are_the_identity_at_first(toy, inputs):
    plain = {name: each for name, each in BLOCKS.items() if not each.draws}
    before = {name: each.clone() for name, each in toy.trained.model.state_dict().items()}
    longer = with_blocks(toy.trained.model, plain)
    assert torch.equal(longer(inputs), toy.trained.model(inputs))
    for name, each in toy.trained.model.state_dict().items():
        assert torch.equal(each, before[name])
    assert not any(module.training for module in longer.modules())


def test_blocks_are_digital_and_noise_comes_before_them(toy, inputs):
    longer = with_blocks(toy.trained.model, BLOCKS)
    names = [each.name for each in analogue_layers(longer, inputs)]
    assert names == ["0.0.layer", "1.0.layer", "3.layer", "5"]
    assert layer_of(longer, "0.0") is longer.get_submodule("0.0.layer") is layer_of(longer, "0.0.layer")


def test_how_blocks_are_made_is_read_from_their_weights(toy):
    state = with_blocks(toy.trained.model, BLOCKS).state_dict()
    found = blocks_in(state)
    assert {name: (each.width, each.own) for name, each in found.items()} == {
        "0.0": (2, True), "1.0": (8, False), "3": (6, True),
    }  # fmt: skip
    plain = without_blocks(state, found)
    assert list(plain) == list(toy.trained.model.state_dict())
    assert all(torch.equal(each, plain[name]) for name, each in toy.trained.model.state_dict().items())


def test_a_block_that_draws_does(toy, inputs):
    longer = with_blocks(toy.trained.model, {"3": Make(width=2, draws=True)})
    assert not torch.equal(longer(inputs), longer(inputs))


@pytest.mark.parametrize("name", ["0", "0.2", "nothing", ""])
def test_what_is_no_layer_gets_no_block(toy, name):
    with pytest.raises(ModelError, match=rf"no linear or convolution layer '{name}' inside"):
        with_blocks(toy.trained.model, {name: Make(width=1)})


def test_blocks_follow_convolutions_in_time_and_linear_layers_over_time():
    net = nn.Sequential(nn.Conv1d(3, 4, 5), nn.ReLU(), nn.Linear(6, 7))
    longer = with_blocks(net, {"0": Make(width=2, own=True), "2": Make(width=3, own=True)})
    inputs = torch.randn(2, 3, 10, generator=Streams(0)("time"))
    assert torch.equal(longer(inputs), net(inputs))
