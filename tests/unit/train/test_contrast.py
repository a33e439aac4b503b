"""The contrast of two views, by hand; taking a network apart at its last layer."""

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from unchaff.errors import ConfigError
from unchaff.nets.head import Head, head_of
from unchaff.samples import Batch
from unchaff.train.contrast import Contrast, contrast_flops, projector, with_head


def batch(size):
    return Batch(np.arange(size), np.arange(size), torch.zeros(size, 1), torch.zeros(size, dtype=torch.long))


def drawn(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def test_random_projections_cost_about_the_logarithm_of_the_others():
    loss = Contrast(temperature=0.5)(drawn(512, 128), batch(256))
    assert loss.shape == (256,)
    assert loss.mean().item() == pytest.approx(math.log(511), abs=0.05)


def test_its_operations_are_those_that_are_counted():
    outputs = drawn(64, 16).requires_grad_()
    with FlopCounterMode(display=False) as counter:
        Contrast()(outputs, batch(32)).mean().backward()
    assert contrast_flops(32, 16) == counter.get_total_flops()


def test_it_is_the_equation():
    outputs, tau = drawn(6, 5), 0.3
    z = outputs / outputs.norm(dim=1, keepdim=True)

    def pair(one, other):
        others = [k for k in range(6) if k != one]
        weight = {k: math.exp(float(z[one] @ z[k]) / tau) for k in others}
        return -math.log(weight[other] / sum(weight.values()))

    expected = [(pair(k, k + 3) + pair(k + 3, k)) / 2 for k in range(3)]
    torch.testing.assert_close(Contrast(tau)(outputs, batch(3)), torch.tensor(expected))


def test_lengths_do_not_matter_and_agreement_is_rewarded():
    views = drawn(8, 5)
    alike = torch.cat([views, views])
    apart = torch.cat([views, views.roll(1, 0)])
    loss = Contrast()
    torch.testing.assert_close(loss(alike, batch(8)), loss(7 * alike, batch(8)))
    assert loss(alike, batch(8)).mean() < loss(apart, batch(8)).mean()


def test_a_temperature_of_nothing_is_refused():
    with pytest.raises(ConfigError, match="temperature must be above 0"):
        Contrast(0)


class Named(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(6, 5), nn.ReLU())
        self.classifier = nn.ModuleDict({"last": nn.Linear(5, 3)})

    def forward(self, inputs):
        return self.classifier["last"](self.body(inputs))


@pytest.mark.parametrize("model", [Named(), nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3))])
def test_any_network_with_a_last_linear_layer_gets_another_head(model):
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    head = head_of(model, torch.zeros(2, 6))
    changed = with_head(model, head, projector(head.width, 7))
    assert changed(torch.zeros(2, 6)).shape == (2, 7)
    assert model(torch.zeros(2, 6)).shape == (2, 3)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    again = with_head(changed, head, head.of(model))
    assert again.state_dict().keys() == model.state_dict().keys()


def test_a_lone_layer_is_replaced_whole():
    other = nn.Linear(6, 2)
    assert with_head(nn.Linear(6, 3), Head("", 6), other) is other
