import pytest
import torch
from torch import nn
from torch.nn.functional import scaled_dot_product_attention

from unchaff.nets.build import from_shape
from unchaff.nets.flops import Flops, count, forward

LENGTH, WIDTH = 5, 16  # of the sequences here


def network():
    return nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 8 * 8, 5))


class Recurrent(nn.Module):
    def __init__(self, kind, hidden):
        super().__init__()
        self.memory = kind(WIDTH, hidden, batch_first=True)
        self.out = nn.Linear(hidden, 3)

    def forward(self, inputs):
        return self.out(self.memory(inputs)[0][:, -1])


class Attention(nn.Module):
    def __init__(self, *, weighs):
        super().__init__()
        self.attention = nn.MultiheadAttention(WIDTH, 2, batch_first=True)
        self.weighs = weighs  # whether it returns how much attends to what

    def forward(self, inputs):
        return self.attention(inputs, inputs, inputs, need_weights=self.weighs)[0]


class Products(nn.Module):
    """Attention without a module of its own."""

    def __init__(self):
        super().__init__()
        self.projected = nn.Linear(WIDTH, 3 * WIDTH)

    def forward(self, inputs):
        query, key, value = self.projected(inputs).unflatten(-1, (3, 2, 8)).permute(2, 0, 3, 1, 4)
        return scaled_dot_product_attention(query, key, value)


class Both(nn.Module):
    def __init__(self):
        super().__init__()
        self.products = nn.Bilinear(3, 4, 5)

    def forward(self, inputs):
        return self.products(inputs[:, :3], inputs[:, 3:])


def test_operations_of_a_small_network_are_those_counted_by_hand():
    conv, linear = 2 * 8 * 8 * 4 * 3 * 3 * 3, 2 * 4 * 8 * 8 * 5
    found = count(network(), torch.zeros(7, 3, 8, 8))
    assert found.forward == conv + linear
    # Backward: by weights and by inputs each as much as forward; the images need no gradient.
    assert found.training == (conv + linear) * 3 - conv


def test_what_is_frozen_costs_no_backward_pass():
    model = network()
    model[0].requires_grad_(requires_grad=False)
    conv, linear = 2 * 8 * 8 * 4 * 3 * 3 * 3, 2 * 4 * 8 * 8 * 5
    assert count(model, torch.zeros(1, 3, 8, 8)).training == conv + 2 * linear


@pytest.mark.parametrize(("kind", "gates"), [(nn.LSTM, 4), (nn.GRU, 3), (nn.RNN, 1)])
def test_recurrence_costs_its_gates_at_each_step(kind, gates):
    hidden, example = 32, torch.rand(2, LENGTH, WIDTH)
    reads, remembers = 2 * gates * hidden * WIDTH, 2 * gates * hidden * hidden
    out = 2 * hidden * 3
    found = count(Recurrent(kind, hidden), example)
    assert found.forward == LENGTH * (reads + remembers) + out
    # Neither the inputs nor the state before the first step need a gradient.
    assert found.training == 3 * found.forward - LENGTH * reads - remembers


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU])
def test_the_part_before_a_layer_is_counted_as_the_whole_is(kind):
    model, example = Recurrent(kind, 32), torch.rand(2, LENGTH, WIDTH)
    assert forward(model, example, until="out") == forward(model, example) - 2 * 32 * 3
    assert forward(model, example, until="memory") == 0


PROJECTIONS = 2 * LENGTH * WIDTH * 3 * WIDTH  # queries, keys and values
PRODUCTS = 2 * (2 * LENGTH * LENGTH * WIDTH)  # of queries with keys, and of what comes of it with values
OUTWARDS = 2 * LENGTH * WIDTH * WIDTH


@pytest.mark.parametrize("weighs", [False, True])
def test_attention_costs_its_projections_and_its_two_products(weighs):
    found = count(Attention(weighs=weighs), torch.rand(2, LENGTH, WIDTH))
    assert found.forward == PROJECTIONS + PRODUCTS + OUTWARDS
    assert found.training == 3 * found.forward - PROJECTIONS  # the inputs need no gradient


def test_attention_called_as_a_function_costs_its_products():
    found = count(Products(), torch.rand(2, LENGTH, WIDTH))
    assert found.forward == PROJECTIONS + PRODUCTS
    assert found.training == 3 * found.forward - PROJECTIONS


def test_a_layer_of_a_transformer_costs_attention_and_both_linear_layers():
    wide = 64
    model = nn.TransformerEncoderLayer(WIDTH, 2, wide, batch_first=True)
    found = count(model, torch.rand(2, LENGTH, WIDTH))
    assert found.forward == PROJECTIONS + PRODUCTS + OUTWARDS + 2 * (2 * LENGTH * WIDTH * wide)
    assert found.training == 3 * found.forward - PROJECTIONS


def test_a_bilinear_layer_costs_one_product_for_each_weight():
    assert count(Both(), torch.rand(2, 7)) == Flops(2 * 5 * 3 * 4, 2 * 2 * 5 * 3 * 4)


BUILT_IN = [  # as counted before recurrence and attention were: nothing about them may change
    ("small-cnn", (3, 32, 32), Flops(24594944, 73342464)),
    ("resnet18", (3, 32, 32), Flops(1111102464, 3329768448)),
    ("mlp", (3, 8, 8), Flops(166400, 400896)),
    ("audio-cnn", (1, 40, 50), Flops(13425792, 40133376)),
    ("text-cnn", (30,), Flops(3033600, 9100800)),
]


@pytest.mark.parametrize(("name", "shape", "known"), BUILT_IN)
def test_operations_of_built_in_networks_stay_what_recorded_costs_were_counted_with(name, shape, known):
    example = torch.ones(2, *shape, dtype=torch.long) if name == "text-cnn" else torch.rand(2, *shape)
    assert count(from_shape(name, shape, 10), example) == known


class Failing(nn.Module):
    def forward(self, inputs):
        raise RuntimeError("no such shape")


@pytest.mark.parametrize("fast", [True, False])
@pytest.mark.parametrize("model", [nn.Linear(2, 2), Failing()])
def test_counting_leaves_the_switches_of_torch_as_they_were(model, fast):
    switches = torch.backends.mkldnn, torch.backends.cudnn
    torch.backends.mha.set_fastpath_enabled(value=fast)
    try:
        before = [each.enabled for each in switches]
        if isinstance(model, Failing):
            with pytest.raises(RuntimeError):
                count(model, torch.zeros(1, 2))
        else:
            count(model, torch.zeros(1, 2))
        assert [each.enabled for each in switches] == before
        assert torch.backends.mha.get_fastpath_enabled() == fast
    finally:
        torch.backends.mha.set_fastpath_enabled(value=True)


def test_counting_changes_nothing():
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)).train()
    count(model, torch.zeros(1, 2))
    assert model[1].num_batches_tracked == 0
    assert model.training
    assert model[0].weight.grad is None
