"""Tuning on frozen features: what stays, what the weights do, and where it helps."""

import copy
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn import functional

from unchaff.errors import ConfigError, NeedsError
from unchaff.evaluate.accuracy import score
from unchaff.methods import nmtune
from unchaff.methods.nmtune import NmTune, _Losses, _Shown, _Turning
from unchaff.records import Observed
from unchaff.samples import Batch
from unchaff.streams import Streams
from unchaff.train.initial import train_by
from unchaff.train.spectrum import consistency

PLAIN = {"consistency": 0.0, "covariance": 0.0, "rank": 0.0}


@pytest.fixture(scope="module")
def tuned(toy):
    """Return a function that tunes the toy's network, which learned wrong labels, on right ones."""

    def tune(**settings):
        method = NmTune(**{"epochs": 8, **settings})
        return method(toy.trained, Observed(train=toy.clean), streams=Streams(3)).model

    return tune


def test_the_network_before_its_last_layer_stays_bit_by_bit(toy, tuned):
    before, after = toy.trained.model.state_dict(), tuned().state_dict()
    kept = [name for name in before if not name.startswith("5.")]
    assert kept
    assert all(torch.equal(before[name], after[name]) for name in kept)
    assert after["5.1.weight"].shape == (4, 24)


def test_a_network_of_another_task_learns_these_classes(toy):
    """Its own labels told two classes apart, three in ten of them wrong; the data have four."""
    two = replace(toy.observed.train, labels=toy.observed.train.labels // 2, class_names=("ab", "cd"))
    model = copy.deepcopy(toy.trained.model)
    model[5] = nn.Linear(24, 2)
    trained = replace(toy.trained, model=model, initial=None)
    fitted = train_by(trained.recipe_for(600), model, two, streams=Streams(1))
    trained = replace(trained, model=fitted.model.eval())
    for seed in range(3):
        outcome = NmTune(epochs=8)(trained, Observed(train=toy.clean), streams=Streams(seed))
        assert score(outcome.model, toy.test).accuracy > 0.6, "two classes are worth 0.5"


def test_without_weights_it_is_tuning_with_an_adapter():
    outputs = torch.randn(12, 4 + 2 * 3, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(6) % 4
    batch = Batch(ids=labels.numpy(), rows=labels.numpy(), inputs=torch.zeros(6, 3), labels=labels)
    plain = functional.cross_entropy(outputs[:, :4], labels.repeat(2), reduction="none").view(2, 6).mean(0)
    torch.testing.assert_close(_Losses(NmTune(**PLAIN), 3)(outputs, batch), plain)
    only = _Losses(NmTune(**{**PLAIN, "consistency": 2.0}), 3)(outputs, batch)
    second, first = outputs[6:, 4:7], outputs[:6, 7:]
    torch.testing.assert_close(only, plain + 2 * consistency(second, first))


def test_the_weight_of_staying_near_keeps_features_near(tuned):
    def moved(model):
        adapter = model.get_submodule("5.0").eval()
        features = torch.rand(200, 24, generator=torch.Generator().manual_seed(0))
        with torch.no_grad():
            return float(consistency(adapter(features), features))

    assert moved(tuned(consistency=100.0)) < 0.5 * moved(tuned(**PLAIN))


def test_no_width_is_linear_probing(tuned):
    names = {name for name in tuned(hidden=0, **PLAIN).state_dict() if name.startswith("5.")}
    assert names == {"5.1.weight", "5.1.bias"}


@pytest.mark.parametrize(
    ("fitting", "said"),
    [
        (4, "Of 4 random changes of each input 3 were used: the features of more do not fit in "),
        (2, "The second view is the input as it is."),
        (1, "Both views are the input as it is."),
    ],
)
def test_features_that_do_not_fit_are_computed_for_fewer_changes_and_a_note_says_so(
    toy, monkeypatch, fitting, said
):
    monkeypatch.setattr(nmtune, "ROOM", 4 * 600 * 24 * fitting)
    outcome = NmTune(epochs=1)(toy.trained, toy.observed, streams=Streams(0))
    assert outcome.cost.stages["features"].samples_seen == fitting * 600
    assert said in outcome.notes[1]
    assert len(NmTune(epochs=1, draws=fitting - 1)(toy.trained, toy.observed, streams=Streams(0)).notes) == 1


@pytest.mark.parametrize("changes", [1, 2, 4])
def test_the_two_views_of_a_step_are_different_ones(changes):
    """Every change of an input is a number of its own here, and the input as it is 0."""
    rows = torch.arange(changes + 1.0).repeat_interleave(3).repeat(400, 1)
    turned = _Turning(3)(rows, torch.Generator().manual_seed(0))
    views = _Shown(nn.Sequential(nn.Identity(), nn.Identity()), 3)(turned)[:, 0].view(2, 400)
    assert (views[0] != views[1]).all()
    assert set(views[0].tolist()) == set(range(1, changes + 1))
    assert set(views[1].tolist()) == (set(range(1, changes + 1)) if changes > 1 else {0})


def test_a_network_of_one_layer_is_refused_before_anything_is_computed(rows, monkeypatch):
    alone = rows("none", count=100)
    monkeypatch.setattr(nmtune, "features_of", None)
    with pytest.raises(NeedsError, match="this network is nothing but that layer"):
        NmTune()(replace(alone.trained, model=nn.Linear(40, 4)), alone.observed, streams=Streams(0))


def test_a_network_for_other_classes_gets_a_classifier_for_these(toy):
    labels = toy.clean.labels % 2
    samples = replace(toy.clean, labels=labels, class_names=("even", "odd"))
    outcome = NmTune(epochs=2)(toy.trained, Observed(train=samples), streams=Streams(0))
    assert outcome.model(next(samples.batches(3)).inputs).shape == (3, 2)


def test_settings_that_cannot_be_are_refused():
    with pytest.raises(ConfigError, match="epochs and largest must be at least 1"):
        NmTune(epochs=0)
