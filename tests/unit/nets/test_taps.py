import pytest
import torch
from torch import nn
from torch.nn import functional

from unchaff.errors import ModelError
from unchaff.nets.blocks import Residual
from unchaff.nets.taps import find_layers, in_eval_mode, read_inputs, read_outputs, reading_points


class Functional(nn.Module):
    """Activations, pooling and flattening are plain calls; the norm is used before it is declared."""

    def __init__(self):
        super().__init__()
        self.out = nn.Linear(16, 3)
        self.norm = nn.BatchNorm2d(4)
        self.first = nn.Conv2d(1, 4, 3, padding=1)

    def forward(self, inputs):
        hidden = functional.relu(self.norm(self.first(inputs)))
        return self.out(functional.adaptive_avg_pool2d(hidden, 2).flatten(1))


class Shared(nn.Module):
    """One layer that runs three times."""

    def __init__(self):
        super().__init__()
        self.into, self.again, self.out = nn.Linear(5, 8), nn.Linear(8, 8), nn.Linear(8, 2)

    def forward(self, inputs):
        hidden = self.into(inputs)
        for _ in range(3):
            hidden = torch.tanh(self.again(hidden))
        return self.out(hidden)


def named(layers):
    return [layer.name for layer in layers]


def test_nested_modules_are_found_in_order_with_norm_and_reader():
    model = nn.Sequential(
        nn.Sequential(nn.Linear(6, 8, bias=False), nn.BatchNorm1d(8), nn.ReLU()),
        nn.Sequential(nn.Linear(8, 4), nn.Dropout(), nn.GELU()),
        nn.Linear(4, 2),
    )
    first, second, last = find_layers(model, torch.zeros(3, 6))
    assert named((first, second, last)) == ["0.0", "1.0", "2"]
    assert (first.norm, first.reader, first.units, first.is_output) == ("0.1", "1.0", 8, False)
    assert (second.norm, second.reader, second.units, second.input_shape) == (None, "2", 4, (8,))
    assert (last.reader, last.is_output) == (None, True)


def test_what_lies_between_plain_calls_is_found():
    first, last = find_layers(Functional(), torch.zeros(2, 1, 6, 6))
    assert named((first, last)) == ["first", "out"], "order of execution, not of declaration"
    assert (first.norm, first.reader) == ("norm", None)
    assert last.is_output


def test_a_residual_block_names_both_readers_of_one_tensor():
    model = nn.Sequential(Residual(3, 4, 2), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
    layers = {layer.name: layer for layer in find_layers(model, torch.zeros(2, 3, 8, 8))}
    assert list(layers) == ["0.conv1", "0.conv2", "0.shortcut.0", "3"]
    assert layers["0.conv1"].reads == layers["0.shortcut.0"].reads
    assert [layers[name].norm for name in list(layers)[:3]] == ["0.norm1", "0.norm2", "0.shortcut.1"]
    assert layers["0.conv1"].reader is None, "the activation is a plain call, so nothing is claimed"


def test_a_layer_that_runs_several_times_is_listed_once():
    layers = find_layers(Shared(), torch.zeros(2, 5))
    assert named(layers) == ["into", "again", "out"]
    assert layers[-1].is_output


def test_one_dimensional_convolutions_are_found():
    model = nn.Sequential(nn.Conv1d(2, 5, 3), nn.GroupNorm(1, 5), nn.ReLU(), nn.Flatten(), nn.Linear(40, 2))
    first, last = find_layers(model, torch.zeros(2, 2, 10))
    assert (first.name, first.norm, first.input_shape) == ("0", "1", (2, 10))
    assert last.name == "4"


def test_reading_points_are_the_last_of_each_shape_and_the_ends():
    model = nn.Sequential(
        nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 3)
    )
    assert named(reading_points(find_layers(model, torch.zeros(2, 5)))) == ["0", "6"]
    wide = nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 6), nn.ReLU(), nn.Linear(6, 3))
    assert named(reading_points(find_layers(wide, torch.zeros(2, 5)))) == ["0", "2", "4"]


def test_a_network_without_layers_is_refused():
    with pytest.raises(ModelError, match=r"No linear or convolution layer.*Give a network"):
        find_layers(nn.Flatten(), torch.zeros(2, 3))


def test_an_input_the_network_cannot_take_is_refused_and_no_hook_stays():
    model = nn.Sequential(nn.Linear(4, 2))
    with pytest.raises(ModelError, match=r"cannot take inputs of shape \(2, 3\)"):
        find_layers(model, torch.zeros(2, 3))
    assert not model[0]._forward_hooks


def test_each_module_gets_its_own_mode_back_also_after_an_error():
    model = nn.Sequential(nn.Linear(2, 2), nn.Dropout())
    model[1].eval()
    with in_eval_mode(model):
        assert not any(module.training for module in model.modules())
    with pytest.raises(RuntimeError), in_eval_mode(model):
        model(torch.zeros(1, 9))
    assert [module.training for module in model.modules()] == [True, True, False]


def test_inputs_and_outputs_are_read_and_hooks_removed():
    model = nn.Sequential(nn.Linear(2, 3), nn.ReLU())
    inputs = torch.randn(4, 2, generator=torch.Generator().manual_seed(0))
    with read_inputs(model, ["1"]) as read, read_outputs(model, ["1"]) as written:
        model(inputs)
    assert torch.equal(read["1"], model[0](inputs))
    assert torch.equal(written["1"], read["1"].relu())
    assert not model[1]._forward_hooks
    assert not model[1]._forward_pre_hooks
