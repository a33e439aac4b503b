"""Losses that look beyond the given label, by hand."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from unchaff.errors import ConfigError
from unchaff.samples import Batch
from unchaff.streams import Streams
from unchaff.train.loop import fit
from unchaff.train.optimizers import Sgd
from unchaff.train.phases import Phase
from unchaff.train.targets import Distilled, EarlyLearning, Generalised, Weighted

OUTPUTS = torch.tensor([[2.0, 0.0], [0.0, 1.0]])
LABELS = torch.tensor([0, 0])
PLAIN = functional.cross_entropy(OUTPUTS, LABELS, reduction="none")


def batch(rows):
    return Batch(ids=np.array(rows) + 100, rows=np.array(rows), inputs=torch.zeros(2, 1), labels=LABELS)


def test_weights_are_looked_up_by_row_and_have_a_mean_of_one():
    loss = Weighted(torch.tensor([1.0, 9.0, 3.0, 3.0]))(OUTPUTS, batch([2, 0]))
    torch.testing.assert_close(loss, PLAIN * torch.tensor([3 / 4, 1 / 4]))


def test_early_learning_holds_the_network_to_what_it_said():
    targets = EarlyLearning.over(3, 2, torch.device("cpu"))
    first = targets(OUTPUTS, batch([2, 0]))
    said = OUTPUTS.softmax(1)
    assert torch.equal(targets.memory[1], torch.zeros(2)), "a sample that was not seen"
    torch.testing.assert_close(targets.memory[[2, 0]], 0.3 * said)
    torch.testing.assert_close(first, PLAIN + 3 * (1 - 0.3 * (said * said).sum(1)).log())
    targets(OUTPUTS.flip(0), batch([2, 0]))
    torch.testing.assert_close(targets.memory[[2, 0]], 0.7 * 0.3 * said + 0.3 * said.flip(0))


def test_its_gradient_pulls_towards_the_remembered_class():
    targets = EarlyLearning(torch.tensor([[0.0, 0.9]]))
    logits = torch.zeros(1, 2, requires_grad=True)
    about = Batch(ids=np.array([100]), rows=np.array([0]), inputs=torch.zeros(1, 1), labels=torch.tensor([0]))
    targets(logits, about).sum().backward()
    plain = torch.zeros(1, 2, requires_grad=True)
    functional.cross_entropy(plain, about.labels).backward()
    assert logits.grad[0, 1] < plain.grad[0, 1], "descent raises the remembered class more"


def test_a_phase_trains_by_the_loss_it_is_given(toy):
    def trained(loss):
        phase = Phase(steps=3, lr=lambda _: 0.1, batch_size=60, optimizer=Sgd(weight_decay=0.0), loss=loss)
        return fit(toy.trained.model, toy.observed.train, phase, streams=Streams(0)).model[5].weight

    assert not torch.equal(trained(None), toy.trained.model[5].weight)
    assert torch.equal(trained(lambda outputs, _: 0.0 * outputs.sum(1)), toy.trained.model[5].weight)
    same = Weighted(torch.ones(len(toy.observed.train)))
    torch.testing.assert_close(trained(same), trained(None))


def test_the_generalised_cross_entropy_lies_between_cross_entropy_and_the_absolute_error():
    own = OUTPUTS.softmax(1)[:, 0]
    torch.testing.assert_close(Generalised(0)(OUTPUTS, batch([2, 0])), PLAIN)
    torch.testing.assert_close(Generalised(1e-4)(OUTPUTS, batch([2, 0])), PLAIN, rtol=1e-3, atol=0)
    torch.testing.assert_close(Generalised(1)(OUTPUTS, batch([2, 0])), 1 - own)
    torch.testing.assert_close(Generalised(0.7)(OUTPUTS, batch([2, 0])), (1 - own**0.7) / 0.7)
    with pytest.raises(ConfigError, match=r"q must be in \[0, 1\], got 2"):
        Generalised(2)


def test_distillation_is_the_softened_divergence_from_the_teacher_by_row():
    taught = torch.tensor([[0.0, 0.0], [1.0, -1.0], [9.0, 9.0]])
    found = Distilled(taught, temperature=2.0, own=0.5, divergence=3.0)(OUTPUTS, batch([1, 0]))
    said, teacher = (OUTPUTS / 2).softmax(1), (taught[[1, 0]] / 2).softmax(1)
    apart = 4 * (teacher * (teacher / said).log()).sum(1)
    torch.testing.assert_close(found, 0.5 * PLAIN + 3 * apart)
    same = Distilled(OUTPUTS, temperature=2.0, own=0.0)(OUTPUTS, batch([0, 1]))
    torch.testing.assert_close(same, torch.zeros(2))
