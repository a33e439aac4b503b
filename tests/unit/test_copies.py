"""Networks whose weights are made in the pass can be copied, and so repaired, right after training."""

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy
from torch.nn.utils import spectral_norm, weight_norm

import unchaff
from unchaff.copies import copied
from unchaff.methods.unlearn import Unlearn
from unchaff.nets.taps import find_layers
from unchaff.prune.apply import prune
from unchaff.prune.random import Random
from unchaff.records import PrunedUnit, PrunePlan

pytestmark = pytest.mark.filterwarnings("ignore:.*weight_norm.*:FutureWarning")
MADE = pytest.mark.parametrize("made", [spectral_norm, weight_norm])


def learned(net, inputs, labels, steps=60):
    learner = torch.optim.Adam(net.parameters(), 3e-3)
    for _ in range(steps):
        learner.zero_grad()
        cross_entropy(net(inputs), labels).backward()
        learner.step()
    return net


@MADE
def test_a_copy_of_a_network_just_trained_answers_alike_and_is_its_own(made):
    inputs, labels = torch.randn(60, 5), torch.randint(0, 2, (60,))
    net = learned(nn.Sequential(made(nn.Linear(5, 8)), nn.ReLU(), nn.Linear(8, 2)), inputs, labels)
    assert net[0].weight.grad_fn is not None
    other = copied(net).eval()
    said = net.eval()(inputs)
    assert torch.equal(other(inputs), said)
    learned(other.train(), inputs, labels, steps=3)
    assert torch.equal(net(inputs), said)


@MADE
def test_such_a_network_is_repaired_and_read_back(made, tmp_path):
    inputs = torch.randn(400, 6)
    right = (inputs[:, 0] > 0).long()
    given = torch.where(torch.rand(400) < 0.2, 1 - right, right)
    net = nn.Sequential(
        made(nn.Linear(6, 32)), nn.ReLU(), nn.Linear(32, 16), nn.ReLU(), made(nn.Linear(16, 2))
    )
    learned(net, inputs, given)
    method = Unlearn(prune=Random(share=0.3, layers=1.0))
    repaired = unchaff.repair(net, torch.utils.data.TensorDataset(inputs, given), method=method)
    repaired.save(tmp_path / "run")
    again = unchaff.load(tmp_path / "run", model=net)
    assert torch.equal(again(inputs), repaired.model(inputs))
    assert float((again(inputs).argmax(1) == right).float().mean()) > 0.85


def test_units_before_a_weight_made_of_others_are_silent():
    net = nn.Sequential(nn.Linear(5, 8), nn.ReLU(), weight_norm(nn.Linear(8, 4)), nn.ReLU(), nn.Linear(4, 2))
    example = torch.randn(4, 5)
    assert find_layers(net, example)[0].reader == "2"
    pruned = prune(net.eval(), PrunePlan(units=(PrunedUnit("0", 3, 0.5),)), example).model
    assert float(pruned[0](example)[:, 3].detach().abs().max()) == 0
