import pytest
import torch
from torch import nn
from torch.nn import functional

from unchaff.errors import ModelError
from unchaff.nets.blocks import Residual
from unchaff.nets.hooks import in_eval_mode, read_inputs, read_outputs
from unchaff.nets.taps import find_layers, points_of, prunable, reading_points


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
    with pytest.raises(ModelError, match=r"No layer ran.*Give a network"):
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


class Reader(nn.Module):
    """Words looked up, read by a transformer or a recurrent layer, and judged by their mean."""

    def __init__(self, middle):
        super().__init__()
        self.words, self.middle, self.out = nn.Embedding(20, 8), middle, nn.Linear(8, 2)

    def forward(self, words):
        read = self.middle(self.words(words))
        return self.out((read[0] if isinstance(read, tuple) else read).mean(1))


def words():
    return torch.randint(0, 20, (3, 5), generator=torch.Generator().manual_seed(0))


def block(*, batch_first=True):
    return nn.TransformerEncoderLayer(8, 2, 16, batch_first=batch_first)


def test_a_transformer_is_read_at_its_attention_and_its_layers_features_first():
    layers = find_layers(Reader(block()), words())
    assert named(layers) == ["middle.self_attn", "middle.linear1", "middle.linear2", "out"]
    assert [layer.input_shape for layer in layers] == [(8, 5), (8, 5), (16, 5), (8,)]
    assert all(layer.is_embedded for layer in layers)
    assert named(prunable(layers, Reader(block()))) == ["middle.linear1", "middle.linear2"]


def test_a_recurrent_layer_is_read_as_a_whole():
    model = Reader(nn.LSTM(8, 8, batch_first=True))
    layers = find_layers(model, words())
    assert named(layers) == ["middle", "out"]
    assert named(prunable(layers, model)) == []
    with read_inputs(model, ["middle"]) as seen:
        model(words())
    torch.testing.assert_close(seen["middle"], model.words(words()).transpose(1, 2))


def test_what_does_not_keep_samples_apart_is_not_read():
    class TimeFirst(Reader):
        def forward(self, given):
            return self.out(self.middle(self.words(given).transpose(0, 1)).mean(0))

    layers = find_layers(TimeFirst(block(batch_first=False)), words())
    assert [layer.name for layer in layers if layer.by_sample] == ["out"]
    assert named(reading_points(layers)) == ["out"]


def test_the_first_layer_is_read_only_behind_an_embedding():
    plain = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    assert named(points_of(plain, torch.zeros(2, 4), depth=1.0)) == ["2"]
    assert named(points_of(Reader(block()), words(), depth=0.1)) == ["middle.self_attn"]


def test_layers_to_read_can_be_named_and_a_wrong_name_is_answered_with_the_right_ones():
    plain = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    assert named(points_of(plain, torch.zeros(2, 4), depth=0.1, taps=("2", "0"))) == ["0", "2"]
    with pytest.raises(ModelError, match=r"'1' cannot be read. Layers .* apart: 0, 2"):
        points_of(plain, torch.zeros(2, 4), depth=0.1, taps=("1",))


def test_shared_and_frozen_weights_are_not_pruned():
    model = nn.Sequential(*(nn.Linear(4, 4) for _ in range(4)))
    model[1].weight = model[0].weight
    model[2].requires_grad_(requires_grad=False)
    layers = find_layers(model, torch.zeros(2, 4))
    assert [layer.is_tied for layer in layers] == [True, True, False, False]
    assert named(prunable(layers, model)) == []
    assert layers[0].reader is None, "its weights are not this layer's alone"


def test_of_a_layer_that_runs_again_the_first_reading_counts():
    model = Shared()
    with read_inputs(model, ["again"]) as seen:
        model(torch.ones(2, 5))
    torch.testing.assert_close(seen["again"], model.into(torch.ones(2, 5)))


def test_a_weight_made_of_others_is_read_and_not_pruned():
    normed = nn.utils.parametrizations.weight_norm(nn.Linear(4, 6))
    model = nn.Sequential(normed, nn.ReLU(), nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 2))
    layers = find_layers(model, torch.randn(2, 4))
    assert [layer.name for layer in layers] == ["0", "2", "4"]
    assert [layer.name for layer in prunable(layers, model)] == ["2"]
