import torch
from torch import nn

from unchaff.nets.flops import count


def network():
    return nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 8 * 8, 5))


def test_operations_of_a_small_network_are_those_counted_by_hand():
    conv, linear = 2 * 8 * 8 * 4 * 3 * 3 * 3, 2 * 4 * 8 * 8 * 5
    found = count(network(), torch.zeros(7, 3, 8, 8))
    assert found.forward == conv + linear
    # Backward: by weights and by inputs each as much as forward; the images need no gradient.
    assert found.training == (conv + linear) * 3 - conv


def test_what_is_frozen_costs_no_backward_pass():
    model = network()
    model[0].requires_grad_(requires_grad=False)
    conv, linear = 2 * 8 * 8 * 4 * 3 * 3 * 3, 2 * 4 * 8 * 8 * 5
    assert count(model, torch.zeros(1, 3, 8, 8)).training == conv + 2 * linear


def test_counting_changes_nothing():
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)).train()
    count(model, torch.zeros(1, 2))
    assert model[1].num_batches_tracked == 0
    assert model.training
    assert model[0].weight.grad is None
