"""Symmetric cross-entropy: by hand, its degenerate case, and a planted case."""

import pytest
import torch

from unchaff.errors import ConfigError
from unchaff.methods.sce import Sce
from unchaff.samples import Batch
from unchaff.streams import Streams
from unchaff.train.targets import Symmetric


def test_the_reverse_part_is_the_sum_of_predictions_times_the_logarithm_of_the_label():
    logits = torch.tensor([[2.0, 0.0, -1.0], [0.0, 1.0, 0.5]])
    labels = torch.tensor([0, 2])
    about = Batch(ids=labels.numpy(), rows=labels.numpy(), inputs=logits, labels=labels)
    said, right = logits.softmax(1), torch.eye(3)[labels]
    log_label = torch.where(right == 1, 0.0, -4.0)
    by_hand = -0.1 * (right * said.log()).sum(1) - 2.0 * (said * log_label).sum(1)
    torch.testing.assert_close(Symmetric(0.1, 2.0, -4.0)(logits, about), by_hand)


def test_without_the_reverse_part_it_is_plain_training(toy, plain, assert_same_weights):
    outcome = Sce(alpha=1, beta=0)(toy.trained, toy.observed, streams=Streams(3))
    assert_same_weights(outcome.model, plain().model)


def test_it_does_not_learn_wrong_labels_by_heart(toy, plain, accuracy):
    outcome = Sce(alpha=0.02, budget=4.0)(toy.trained, toy.observed, streams=Streams(3))
    assert accuracy(outcome) > accuracy(plain(4.0)) + 0.05


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ({"alpha": -1}, "alpha and beta must be 0 or more"),
        ({"alpha": 0, "beta": 0}, "not both 0"),
        ({"log_zero": 0}, "log_zero must be below 0, got 0"),
    ],
)
def test_settings_out_of_range_are_named(setting, sentence):
    with pytest.raises(ConfigError, match=sentence):
        Sce(**setting)
