"""Logits and features of all samples in one pass."""

import pytest
import torch
from torch import nn

from unchaff.errors import NeedsError
from unchaff.nets.head import head_of
from unchaff.train.passes import features_of, logits_of


def test_features_are_what_the_last_layer_makes_logits_of(toy):
    model, samples = toy.trained.model, toy.observed.train
    head = head_of(model, next(samples.batches(2)).inputs)
    assert (head.name, head.width) == ("5", 24)
    read, said = features_of(model, samples, head, name="read"), logits_of(model, samples, name="hear")
    assert read.rows.shape == (600, 24)
    torch.testing.assert_close(head.of(model)(read.rows).detach(), said.rows)
    assert said.cost.flops > read.cost.flops > 0.9 * said.cost.flops
    assert read.cost.stages["read"].samples_seen == 600


def test_the_network_stays_as_it_was(toy):
    model = toy.trained.model.train()
    try:
        before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
        logits_of(model, toy.observed.train, name="hear")
        assert model.training
        assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    finally:
        model.eval()


def test_a_mirror_image_is_another_input(toy):
    plain, mirror = (
        logits_of(toy.trained.model, toy.observed.train, name="hear", shown=shown).rows
        for shown in ("plain", "mirror")
    )
    assert not torch.allclose(plain, mirror)


def test_a_network_without_a_last_linear_layer_is_refused():
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    with pytest.raises(NeedsError, match=r"no torch\.nn\.Linear that reads one row"):
        head_of(model, torch.zeros(2, 1, 8, 8))
