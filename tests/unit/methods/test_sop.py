"""Sparse variables beside the network: by hand and by autograd, the degenerate case, and a planted case."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from unchaff.errors import ConfigError
from unchaff.methods.sop import Sop, Sparse
from unchaff.samples import Batch
from unchaff.streams import Streams

LOGITS = torch.tensor([[2.0, 0.0, -1.0], [0.0, 1.0, 0.5]])
LABELS = torch.tensor([0, 2])
ROWS = np.array([2, 0])
ABOUT = Batch(ids=ROWS, rows=ROWS, inputs=LOGITS, labels=LABELS)


def sparse(rates=(0.0, 0.0)):
    own = torch.tensor([[0.3], [0.9], [0.2]])
    others = torch.tensor([[0.1, 0.4, 0.7], [0.9, 0.9, 0.9], [0.5, 0.1, 0.3]])
    return Sparse(own, others, rates=rates)


def by_hand(own, others):
    """Return the changed predictions and the two losses, as the paper writes them."""
    label = functional.one_hot(LABELS, 3).float()
    added = own.square() * label - others.square() * (1 - label)
    changed = (LOGITS.softmax(1) + own.square() * label - others.detach().square() * (1 - label)).clamp(1e-4)
    entropy = -(label * (changed / changed.sum(1, keepdim=True)).log()).sum(1)
    named = functional.one_hot(LOGITS.argmax(1), 3).float()
    return entropy, (named + added - label).square().sum(1)


def test_the_loss_is_the_cross_entropy_of_the_changed_predictions():
    loss = sparse()
    entropy, _ = by_hand(loss.own[ROWS], loss.others[ROWS])
    torch.testing.assert_close(loss(LOGITS, ABOUT), entropy)


def test_each_variable_goes_down_its_own_loss_and_the_others_stay():
    loss = sparse(rates=(0.1, 0.05))
    own, others = loss.own[ROWS].requires_grad_(), loss.others[ROWS].requires_grad_()
    entropy, squared = by_hand(own, others)
    (down,) = torch.autograd.grad(entropy.sum(), own)
    (aside,) = torch.autograd.grad(squared.sum(), others)
    loss.see(ROWS, LOGITS, LABELS)
    torch.testing.assert_close(loss.own[ROWS], own - 0.1 * down)
    torch.testing.assert_close(loss.others[ROWS], others - 0.05 * aside)
    assert torch.equal(loss.own[1], sparse().own[1]), "a sample that was not seen"


def test_the_variable_of_the_label_does_not_follow_the_squared_error():
    """As equation 6 has it; in the released code it follows both losses."""
    loss = sparse(rates=(0.1, 0.05))
    own = loss.own[ROWS].requires_grad_()
    entropy, squared = by_hand(own, loss.others[ROWS])
    (both,) = torch.autograd.grad((entropy + squared).sum(), own)
    loss.see(ROWS, LOGITS, LABELS)
    assert (loss.own[ROWS] - (own - 0.1 * both)).abs().min() > 1e-3


def test_variables_stay_within_one():
    loss = sparse(rates=(1e3, 1e3))
    loss.see(ROWS, LOGITS, LABELS)
    assert loss.own.abs().max() <= 1
    assert loss.others.abs().max() <= 1


def test_with_rates_of_zero_it_is_plain_training(toy, plain):
    method = Sop(rate_u=0, rate_v=0, floor=0, budget=0.4)
    outcome = method(toy.trained, toy.observed, streams=Streams(3))
    for name, tensor in plain(0.4).model.state_dict().items():
        torch.testing.assert_close(outcome.model.state_dict()[name], tensor, rtol=1e-3, atol=1e-4)


def test_it_does_not_learn_wrong_labels_by_heart(toy, plain, accuracy):
    outcome = Sop(budget=4.0)(toy.trained, toy.observed, streams=Streams(3))
    assert accuracy(outcome) > accuracy(plain(4.0)) + 0.06


def test_settings_out_of_range_are_named():
    with pytest.raises(ConfigError, match="rate_u must be 0 or more, got -1"):
        Sop(rate_u=-1)
