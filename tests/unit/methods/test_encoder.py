"""Layers before the last, learned without labels, and a last layer trained on what they say."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from unchaff.data.prepare import AsIs
from unchaff.data.sources import in_memory
from unchaff.errors import ConfigError, NeedsError
from unchaff.methods.beginning import as_it_began
from unchaff.methods.encoder import (
    Encoder,
    Pretraining,
    Probing,
    features,
    pretrained_encoder,
    probed,
)  # fmt: skip
from unchaff.methods.turn import clean_probability
from unchaff.nets.build import build
from unchaff.nets.head import Head
from unchaff.records import Cost, Trained
from unchaff.samples import Kind, canonical
from unchaff.streams import Streams
from unchaff.train.passes import logits_of
from unchaff.train.targets import generalised

SHORT = Pretraining(epochs=0.2)


@pytest.fixture(scope="module")
def encoder(toy):
    return pretrained_encoder(toy.trained, toy.observed.train, SHORT, streams=Streams(0))


def gaussian(count=8000, wrong=0.6, classes=10, width=32):
    """Return features of well separated classes under wrong labels, and the right ones."""
    drawn = torch.Generator().manual_seed(0)
    labels = torch.arange(count) % classes
    middles = 0.78 * torch.randn(classes, width, generator=drawn)
    rows = middles[labels] + torch.randn(count, width, generator=drawn)
    other = (labels + torch.randint(1, classes, (count,), generator=drawn)) % classes
    given = torch.where(torch.rand(count, generator=drawn) < wrong, other, labels)
    samples = canonical(
        range(count),
        given,
        class_names=tuple("abcdefghij"),
        kind=Kind("tabular", (width,)),
        source=in_memory(rows, AsIs()),
    )
    return samples, labels


def probe(samples, how):
    layer = nn.Sequential(nn.Identity(), nn.Linear(samples.kind.shape[0], samples.num_classes))
    encoder = Encoder(layer, Head("1", samples.kind.shape[0]), Cost())
    return probed(encoder, features(encoder, samples), how, batch_size=128, streams=Streams(0))


def test_probing_with_the_generalised_loss_beats_cross_entropy_and_tells_wrong_labels():
    """Gaussian features, six labels in ten wrong, five epochs."""
    samples, labels = gaussian()
    generous, plain = probe(samples, Probing()), probe(samples, Probing(q=0.0))
    right, before = ((each.logits.argmax(1) == labels).float().mean().item() for each in (generous, plain))
    assert right >= 0.95
    assert right > before + 0.01
    losses = generalised(generous.logits, samples.labels, 0.7)
    selected = clean_probability(losses, samples.labels, apart=2.0) > 0.6
    is_right = samples.labels == labels
    assert is_right[selected].float().mean() >= 0.9
    assert selected[is_right].float().mean() >= 0.9


def test_probing_leaves_the_other_layers_alone_and_the_head_takes_the_scale_up(toy, encoder):
    train = toy.observed.train
    made = probed(encoder, features(encoder, train), Probing(), batch_size=30, streams=Streams(0))
    before = encoder.model.state_dict()
    changed = [name for name, each in made.model.state_dict().items() if not torch.equal(each, before[name])]
    assert changed == ["5.weight", "5.bias"]
    heard = logits_of(made.model, train, name="hear").rows
    torch.testing.assert_close(heard, made.logits, rtol=1e-3, atol=1e-3)


def test_a_head_without_a_bias_keeps_the_mean(toy):
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 12), nn.ReLU(), nn.Linear(12, 4, bias=False))
    encoder = Encoder(model, Head("3", 12), Cost())
    read = features(encoder, toy.observed.train)
    made = probed(encoder, read, Probing(), batch_size=30, streams=Streams(0))
    heard = logits_of(made.model, toy.observed.train, name="hear").rows
    torch.testing.assert_close(heard, made.logits, rtol=1e-3, atol=1e-3)


def test_labels_are_not_looked_at(toy, encoder):
    train = toy.observed.train
    other = train.relabel((train.labels + 1) % 4)
    same = pretrained_encoder(toy.trained, other, SHORT, streams=Streams(0)).model.state_dict()
    assert all(torch.equal(each, same[name]) for name, each in encoder.model.state_dict().items())


def test_it_learns_new_weights_in_the_form_of_the_network_and_pays_for_two_views(toy, encoder):
    theirs = toy.trained.model.state_dict()
    assert {name: each.shape for name, each in encoder.model.state_dict().items()} == {
        name: each.shape for name, each in theirs.items()
    }
    assert not torch.equal(encoder.model[0][0].weight, toy.trained.model[0][0].weight)
    assert encoder.cost.samples_seen == 2 * 2 * 600  # two epochs of two views
    assert encoder.cost.stages.keys() == {"pretrain"}


def test_features_that_are_all_the_same_do_no_harm(toy):
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 12), nn.ReLU(), nn.Linear(12, 4))
    nn.init.zeros_(model[1].weight)
    encoder = Encoder(model, Head("3", 12), Cost())
    read = features(encoder, toy.observed.train)
    assert read.deviation == 1, "rounding is not blown up"
    made = probed(encoder, read, Probing(epochs=1), batch_size=30, streams=Streams(0))
    assert all(torch.isfinite(each).all() for each in made.model.state_dict().values())


def test_a_pretrained_network_begins_with_its_own_weights(toy):
    trained = replace(toy.trained, pretrained=True)
    began = as_it_began(trained).state_dict()
    assert all(torch.equal(began[name], each) for name, each in trained.initial.items())
    came = as_it_began(replace(trained, initial=None)).state_dict()
    assert all(torch.equal(came[name], each) for name, each in trained.model.state_dict().items())


@pytest.mark.parametrize("kind", ["text", "audio"])
def test_texts_and_sound_are_learned_too(kind):
    made = {"text": Kind("text", (12,), pad=0), "audio": Kind("audio", (1, 40, 60), rate=8000)}[kind]
    drawn = torch.Generator().manual_seed(0)
    inputs = torch.randint(2, 50, (40, 12), generator=drawn) if kind == "text" else torch.randn(40, 1, 40, 60)
    samples = canonical(
        range(40), torch.arange(40) % 2, class_names=("a", "b"), kind=made, source=in_memory(inputs, AsIs())
    )
    model = build("text-cnn" if kind == "text" else "audio-cnn", samples, streams=Streams(0))
    made = pretrained_encoder(Trained(model=model), samples, Pretraining(epochs=0.05), streams=Streams(0))
    assert features(made, samples).samples.kind.shape == (128,)


def test_what_cannot_be_taken_apart_or_changed_is_refused(toy):
    train = toy.observed.train
    flat = nn.Sequential(nn.Conv2d(1, 4, 8), nn.Flatten())
    with pytest.raises(NeedsError, match=r"ends in one"):
        pretrained_encoder(Trained(model=flat), train, SHORT, streams=Streams(0))
    packed = replace(train, kind=Kind("packed", (1, 8, 8)))
    with pytest.raises(NeedsError, match="Give an augmentation"):
        pretrained_encoder(toy.trained, packed, SHORT, streams=Streams(0))


@pytest.mark.parametrize(
    "wrong", [{"epochs": 0}, {"batch_size": 1}, {"projector": 1}, {"temperature": 0.0}], ids=str
)
def test_senseless_settings_of_pretraining_are_refused(wrong):
    with pytest.raises(ConfigError):
        Pretraining(**wrong)


@pytest.mark.parametrize("wrong", [{"epochs": 0}, {"lr": 0}, {"q": 2.0}], ids=str)
def test_senseless_settings_of_probing_are_refused(wrong):
    with pytest.raises(ConfigError):
        Probing(**wrong)
