"""Forward correction: by hand, the anchors, its degenerate case, and planted cases."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from unchaff.errors import ConfigError
from unchaff.methods.forward import Forward, anchored
from unchaff.methods.retrain import Retrain
from unchaff.samples import Batch
from unchaff.streams import Streams
from unchaff.train.targets import Transferred

IDENTITY = tuple(tuple(float(row == column) for column in range(4)) for row in range(4))
PAIR = ((0.4, 0.6, 0.0, 0.0), *IDENTITY[1:])


@pytest.fixture(scope="module")
def paired(toy):
    """Six of ten samples of the first class carry the label of the second."""
    labels = toy.clean.labels
    is_wrong = (labels == 0) & torch.from_numpy(Streams(0).per_id("paired", toy.clean.ids) < 0.6)
    return replace(toy.observed, train=toy.clean.relabel(torch.where(is_wrong, 1, labels)))


def test_predictions_pass_through_the_transition():
    transition = torch.tensor([[0.7, 0.3], [0.2, 0.8]])
    logits, labels = torch.tensor([[2.0, 0.0, 1.0], [0.0, 1.0, 0.5]]), torch.tensor([0, 1])
    about = Batch(ids=labels.numpy(), rows=labels.numpy(), inputs=logits, labels=labels)
    said = logits.softmax(1)[:, :2]  # the third output is no class
    by_hand = -(said @ transition)[torch.arange(2), labels].log()
    torch.testing.assert_close(Transferred(transition.log())(logits, about), by_hand)


def test_the_anchor_of_a_class_is_its_surest_sample_and_its_row_what_is_said_of_it():
    said = torch.tensor([[0.8, 0.2], [0.6, 0.4], [0.3, 0.7], [0.1, 0.9]])
    assert torch.equal(anchored(said, [1.0, 1.0]), said[[0, 3]])
    assert torch.equal(anchored(said, [0.6, 0.6]), said[[1, 2]]), "second of four"
    assert torch.equal(anchored(said, [0.6, 1.0]), said[[1, 3]])


def test_a_planted_transition_is_read_off_true_probabilities():
    planted = torch.tensor([[0.7, 0.2, 0.1], [0.0, 1.0, 0.0], [0.3, 0.1, 0.6]])
    true = torch.from_numpy(np.random.default_rng(0).dirichlet([0.05] * 3, 500)).float()
    torch.testing.assert_close(anchored(true @ planted, [1.0] * 3), planted, atol=1e-2, rtol=0)


def test_under_the_identity_it_is_plain_training(toy, plain):
    outcome = Forward(transition=IDENTITY)(toy.trained, toy.observed, streams=Streams(3))
    for name, tensor in plain().model.state_dict().items():
        torch.testing.assert_close(outcome.model.state_dict()[name], tensor, rtol=1e-3, atol=1e-4)


def test_it_sees_through_a_class_most_of_whose_labels_are_wrong(toy, paired, accuracy):
    plainly = accuracy(Retrain()(toy.trained, paired, streams=Streams(3)))
    given = Forward(transition=PAIR)(toy.trained, paired, streams=Streams(3))
    assert accuracy(given) > plainly + 0.1
    assert given.notes == ("The noise transition was given.",)
    own = Forward(warmup=0.7, budget=1.7)(toy.trained, paired, streams=Streams(3))
    assert accuracy(own) > plainly + 0.05
    assert "of a short training of its own" in own.notes[0]
    assert set(own.cost.stages) == {"warm-up", "transition", "train"}


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ({"transition": ((1.0, 0.0),)}, "a row and a column for each class"),
        ({"transition": ((0.5, 0.4), (0.0, 1.0))}, "rows that sum to 1"),
        ({"warmup": 1.0}, "warmup must lie between 0 and the budget of 1, got 1.0"),
        ({"quantile": 0.0}, r"quantile must be in \(0, 1\]"),
    ],
)
def test_settings_out_of_range_are_named(setting, sentence):
    with pytest.raises(ConfigError, match=sentence):
        Forward(**setting)


def test_a_transition_that_does_not_fit_the_data_is_refused(toy):
    with pytest.raises(ConfigError, match="is for 2 classes, but the data have 4"):
        Forward(transition=((1.0, 0.0), (0.0, 1.0)))(toy.trained, toy.observed, streams=Streams(3))
    never = (*IDENTITY[:3], IDENTITY[0])
    with pytest.raises(ConfigError, match="no sample is ever given the label 'd', but some are"):
        Forward(transition=never)(toy.trained, toy.observed, streams=Streams(3))


def test_a_rare_class_has_an_anchor_of_its_own(toy):
    """Taken from all samples alike, at 1 - 0.3 / classes, it would be a sample of another class."""
    labels = torch.where(torch.arange(480) < 5, 3, torch.arange(480) % 3)
    sure = 0.9 * torch.nn.functional.one_hot(labels, 4).float() + 0.025
    said = sure + 1e-4 * torch.rand(480, 4, generator=torch.Generator().manual_seed(0))

    class Said(torch.nn.Module):
        def forward(self, inputs):
            return said.log()[: len(inputs)]  # all at once

    train = toy.clean.at(np.arange(480)).relabel(labels)
    found, _, _ = Forward()._transition(replace(toy.trained, model=Said()), train, streams=Streams(0))
    assert found.argmax(1).tolist() == [0, 1, 2, 3]
    assert anchored(said, [1 - 0.3 / 4] * 4).argmax(1).tolist() != [0, 1, 2, 3]
