"""Distances between sets of features."""

import pytest
import torch

from unchaff.train.domains import Discriminator, coral, mmd, paired


@pytest.fixture
def features():
    return torch.randn(400, 8, generator=torch.Generator().manual_seed(0))


def test_paired_is_the_squared_distance_of_directions_from_the_mean():
    left, right = torch.tensor([[3.0, 0.0], [-1.0, 0.0]]), torch.tensor([[0.0, 2.0], [-2.0, -2.0]])
    torch.testing.assert_close(paired(left, right), torch.tensor([2.0, 2 - 2 / 2**0.5]))  # the mean is 0
    torch.testing.assert_close(paired(left, left), torch.zeros(2))
    torch.testing.assert_close(paired(left, right), paired(left + 7, right + 7))
    pair = torch.tensor([[1.0, 0.0]])
    torch.testing.assert_close(paired(pair, -pair), torch.tensor([4.0]))


def test_mmd_of_two_halves_is_about_nothing_and_grows_with_a_shift(features):
    one, two = features.chunk(2)
    same, shifted, more = mmd(one, two), mmd(one, two + 0.5), mmd(one, two + 2)
    assert abs(float(same)) < 0.01
    assert 0.03 < float(shifted) < float(more)


def test_mmd_by_hand():
    left, right = torch.tensor([[0.0], [0.0]]), torch.tensor([[1.0], [1.0]])
    kernels = [torch.tensor(-1 / (2 * scale**2)).exp() for scale in (0.5, 1.0, 2.0)]  # the median is 1
    torch.testing.assert_close(mmd(left, right), 2 - 2 * torch.stack(kernels).mean())


def test_coral_sees_scale_and_not_place(features):
    one, two = features.chunk(2)
    assert float(coral(one, one + 3)) == pytest.approx(0, abs=1e-8)
    covariance = one.T.cov()
    torch.testing.assert_close(coral(one, 2 * one), (9 * covariance.square().sum()) / (4 * 64))
    assert coral(one, two) < coral(one, 2 * two)


def test_the_discriminator_learns_what_the_features_unlearn(features):
    one, two = features.chunk(2)
    two = (two + 1).requires_grad_()
    judge = Discriminator(8)
    loss = judge(one, two)
    torch.testing.assert_close(loss.mean(), torch.tensor(0.69), atol=0.3, rtol=0)
    loss.mean().backward()
    with torch.no_grad():
        after = judge(one, two - 50 * two.grad).mean()
    assert after > loss.mean(), "along the gradient the features get it wrong, they do not help"
