import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from unchaff.data.prepare import Pixels
from unchaff.data.sources import in_memory
from unchaff.errors import ConfigError
from unchaff.evaluate.accuracy import predict, score
from unchaff.methods import ssd
from unchaff.methods.ssd import Ssd, importance
from unchaff.records import Observed, Trained, Truth
from unchaff.streams import Streams


class Reading(nn.Module):
    """Looks at the values of a batch, which no transform of gradients can follow."""

    def __init__(self):
        super().__init__()
        with Streams(0).forked_global("reading"):
            self.last = nn.Linear(64, 4)

    def forward(self, inputs):
        return self.last(inputs.flatten(1)) * (1.0 if float(inputs.detach().sum()) < 1e9 else 2.0)


def test_an_infinite_alpha_leaves_every_bit_as_it_was(learned, told):
    outcome = told(Ssd(alpha=math.inf), learned.truth)(learned.trained, learned.observed, streams=Streams(0))
    assert_same(outcome.model, learned.trained.model)


def test_wrong_labels_everywhere_dampen_nothing(learned, told):
    """Four in ten are rejected: no weight can matter ten times as much to them as to all, them included."""
    outcome = told(Ssd(), learned.truth)(learned.trained, learned.observed, streams=Streams(0))
    assert outcome.notes == ("0.00% of the weights were dampened.",)
    assert_same(outcome.model, learned.trained.model)


def test_importance_is_the_mean_squared_gradient_of_single_samples(toy):
    model = Reading()
    few = toy.observed.train.at(np.arange(5))
    batch = next(few.batches(5))
    expected = torch.zeros(4, 64)
    for inputs, label in zip(batch.inputs, batch.labels, strict=True):
        gap = model(inputs[None]).softmax(1)[0] - functional.one_hot(label, 4)
        expected += (gap[:, None] * inputs.flatten()[None]).square() / 5
    found, cost = importance(Trained(model=model), few)
    torch.testing.assert_close(found["last.weight"], expected)
    assert cost.samples_seen == 5


def test_samples_at_once_and_one_by_one_are_the_same(toy, monkeypatch):
    few = toy.observed.train.at(np.arange(40))
    together, _ = importance(toy.trained, few)

    def refuse(*_, **__):
        raise RuntimeError("vmap is not for this network")

    monkeypatch.setattr(ssd, "vmap", refuse)
    for name, one in importance(toy.trained, few)[0].items():
        torch.testing.assert_close(one, together[name], rtol=1e-3, atol=1e-7)


def test_weights_are_dampened_as_the_equations_say():
    model = nn.Linear(5, 1, bias=False)
    nn.init.ones_(model.weight)
    of_all, of_rejected = torch.ones(1, 5), torch.tensor([[0.0, 9.9, 10.0, 20.0, 100.0]])
    share = Ssd(dampening=15.0).dampen(model, {"weight": of_all}, {"weight": of_rejected})
    torch.testing.assert_close(model.weight.detach(), torch.tensor([[1.0, 1.0, 1.0, 0.75, 0.15]]))
    assert share == pytest.approx(2 / 5)
    Ssd(alpha=1, dampening=200.0).dampen(model, {"weight": of_all}, {"weight": of_rejected})
    torch.testing.assert_close(model.weight.detach(), torch.tensor([[1.0, 1.0, 1.0, 0.75, 0.15]]))


def test_a_planted_trigger_is_forgotten_and_the_rest_is_not(toy, told, anew):
    """The case it is made for: 24 pictures with a bright corner, all labelled a."""
    clean = toy.clean
    draw = Streams(0).per_id("trigger", clean.ids)
    draw[clean.labels.numpy() == 0] = 1
    planted = np.argsort(draw)[:24]
    inputs = clean.source.raw(np.arange(600)).clone()
    inputs[planted] = _with_corner(inputs[planted])
    labels = clean.labels.index_fill(0, torch.from_numpy(planted), 0)
    train = replace(clean, labels=labels, source=in_memory(inputs, Pixels()))
    noisy = torch.zeros(600, dtype=torch.bool).index_fill(0, torch.from_numpy(planted), value=True)
    truth = Truth(ids=clean.ids, true_label=clean.labels, is_noisy=noisy)
    trained = anew(toy, train, epochs=20)
    outcome = told(Ssd(), truth)(trained, Observed(train=train), streams=Streams(0))
    others = toy.test.at(np.flatnonzero(toy.test.labels.numpy() != 0)).altered(
        lambda _, inputs: _with_corner(inputs)
    )
    taken = [float((predict(model, others) == 0).double().mean()) for model in (trained.model, outcome.model)]
    assert taken[0] > 0.7
    assert taken[1] < 0.4
    assert score(outcome.model, toy.test).accuracy > 0.9


def test_settings_that_make_no_sense_are_refused():
    with pytest.raises(ConfigError, match="The paper takes 10 and 1"):
        Ssd(alpha=0)


def _with_corner(inputs):
    inputs = inputs.clone()
    inputs[:, :, :2, :2] = 255
    return inputs


def assert_same(left, right):
    for (name, tensor), other in zip(left.state_dict().items(), right.state_dict().values(), strict=True):
        assert torch.equal(tensor, other), name
