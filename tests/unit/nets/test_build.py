import sys

import pytest
import torch

from unchaff.data.factory import augmentation
from unchaff.data.load import load
from unchaff.data.prepare import Pixels, Plain
from unchaff.data.sources import in_memory
from unchaff.errors import DataError, ModelError
from unchaff.nets.adapt import logits_of
from unchaff.nets.build import KINDS, NETS, build, default_net, from_factory, from_shape
from unchaff.nets.standardize import Standardize
from unchaff.nets.taps import find_layers, prunable
from unchaff.samples import Kind, canonical
from unchaff.streams import Streams

SHAPES = {"image": (3, 32, 32), "audio": (1, 40, 50), "tabular": (7,), "text": (12,)}
CASES = [(name, kind) for name, kinds in KINDS.items() for kind in kinds]


def samples(kind, shape, count=6):
    draw = torch.randn(count, *shape, generator=torch.Generator().manual_seed(0)) * 3 + 5
    labels = torch.arange(count) % 2
    source = in_memory(draw, Plain() if kind == "tabular" else Pixels())
    return canonical(range(count), labels, class_names=("a", "b"), kind=Kind(kind, shape), source=source)


@pytest.mark.parametrize(("name", "kind"), CASES, ids=str)
def test_every_network_answers_and_can_be_pruned(name, kind):
    model = from_shape(name, SHAPES[kind], 5).eval()
    draw = torch.Generator().manual_seed(0)
    inputs = torch.randn(2, *SHAPES[kind], generator=draw)
    if kind == "text":
        inputs = torch.randint(0, 50, (2, *SHAPES[kind]), generator=draw)
    assert logits_of(model(inputs)).shape == (2, 5)
    layers = find_layers(model, inputs)
    assert [layer.name for layer in layers if layer.is_output] == [layers[-1].name]
    assert len(prunable(layers, model)) == len(layers) - 1


def test_sizes_are_those_promised():
    def size(name, kind):
        return sum(each.numel() for each in from_shape(name, SHAPES[kind], 10).parameters())

    assert size("small-cnn", "image") == pytest.approx(0.33e6, rel=0.03)
    assert size("audio-cnn", "audio") == pytest.approx(0.32e6, rel=0.03)
    assert from_shape("resnet18", SHAPES["image"], 10)[-1][2].out_features == 256


def test_the_input_scale_is_measured_and_travels_with_the_weights():
    data = samples("tabular", (7,), count=50)
    model = build("mlp", data, streams=Streams(0))
    scaled = model[0](next(data.batches(50)).inputs)
    torch.testing.assert_close(scaled.mean(0), torch.zeros(7), atol=1e-5, rtol=0)
    torch.testing.assert_close(scaled.std(0, correction=0), torch.ones(7), atol=1e-5, rtol=0)
    assert {"0.mean", "0.std"} <= model.state_dict().keys()


def test_a_constant_channel_is_not_blown_up():
    model = Standardize(2, 0)
    data = samples("tabular", (2,))
    data = data.altered(lambda _rows, raw: raw * torch.tensor([1.0, 0.0]))
    model.measure(data)
    assert model.std[1] == 1
    assert torch.isfinite(model(next(data.batches(6)).inputs)).all()


def test_a_seed_gives_the_weights_and_the_global_generator_stays():
    data, before = samples("tabular", (7,)), torch.random.get_rng_state()
    first, same, other = (build("mlp", data, streams=Streams(seed))[2].weight for seed in (0, 0, 1))
    assert torch.equal(first, same)
    assert not torch.equal(first, other)
    assert torch.equal(before, torch.random.get_rng_state())


def test_the_default_suits_the_kind():
    for kind, shape, name in [
        ("image", (3, 32, 32), "small-cnn"), ("image", (1, 8, 8), "mlp"),
        ("audio", (1, 40, 50), "audio-cnn"), ("tabular", (7,), "mlp"),
    ]:  # fmt: skip
        assert default_net(samples(kind, shape)) == name
    assert set(NETS) == set(KINDS)


def test_a_wrong_spec_says_what_is_allowed():
    data = samples("tabular", (7,))
    with pytest.raises(ModelError, match=r"no network 'magic'. Allowed: mlp"):
        build("magic", data, streams=Streams(0))
    with pytest.raises(ModelError, match=r"takes image, but the data are tabular 7. Use --model mlp"):
        build("resnet18", data, streams=Streams(0))
    with pytest.raises(ModelError, match="cannot be imported"):
        build("no_such_package:net", data, streams=Streams(0))
    with pytest.raises(ModelError, match=r":net names no function. Write pkg.module:function"):
        build(":net", data, streams=Streams(0))
    with pytest.raises(ModelError, match="returned dict, not a"):
        build("builtins:dict", data, streams=Streams(0))


OWN = """
from torch import nn
def one(num_classes): return nn.Linear(7, 2)
def both(num_classes, input_shape): return nn.Linear(*input_shape, num_classes)
def anything(**given): return both(**given)
def none(): return nn.Linear(7, 2)
def wrong(num_classes, input_shape): return len(num_classes)
def leaves(): raise SystemExit(0)
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    (tmp_path / "own_networks.py").write_text(OWN)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield
    sys.modules.pop("own_networks", None)


@pytest.mark.usefixtures("own")
@pytest.mark.parametrize("name", ["both", "anything", "none"])
def test_a_factory_takes_both_or_nothing(name):
    assert build(f"own_networks:{name}", samples("tabular", (7,)), streams=Streams(0)).out_features == 2


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("def made(:", "broken_here raised SyntaxError: .* Correct it"),
        ("raise KeyError('gone')", "broken_here raised KeyError: 'gone'. Correct it"),
        ("raise SystemExit(3)", "broken_here raised SystemExit: 3. Correct it"),
        ("made = 5", "broken_here has no function made. Write pkg.module:function"),
    ],
)
def test_a_module_that_fails_is_told_alike_as_network_and_as_data(tmp_path, monkeypatch, source, said):
    (tmp_path / "broken_here.py").write_text(source)
    monkeypatch.syspath_prepend(str(tmp_path))
    for use, error in (
        (lambda: from_factory("broken_here:made", (4,), 2), ModelError),
        (lambda: load("broken_here:made"), DataError),
        (lambda: augmentation("broken_here:made"), DataError),
    ):
        with pytest.raises(error, match=said):
            use()
    sys.modules.pop("broken_here", None)


@pytest.mark.usefixtures("own")
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("one", r"takes \(num_classes\). It is called with num_classes and input_shape, or with nothing"),
        ("wrong", r"raised TypeError: object of type 'int' has no len\(\)"),
        ("leaves", "raised SystemExit: 0"),
    ],
)
def test_a_factory_that_cannot_be_called_is_named(name, said):
    with pytest.raises(ModelError, match=f"own_networks:{name} {said}"):
        build(f"own_networks:{name}", samples("tabular", (7,)), streams=Streams(0))


def test_a_network_may_lie_where_the_command_was_given(tmp_path, monkeypatch):
    (tmp_path / "lying_here.py").write_text("import torch\nmade = lambda: torch.nn.Linear(4, 2)\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [one for one in sys.path if one not in ("", str(tmp_path))])
    assert from_factory("lying_here:made", (4,), 2).out_features == 2
