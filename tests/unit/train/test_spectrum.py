"""Losses on features, by hand."""

import math

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from unchaff.train.spectrum import (
    consistency,
    covariance,
    covariance_flops,
    dominance,
    entropy,
    largest_share,
    shares,
    singular_flops,
)


def drawn(rows, columns):
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(0))


def test_orthonormal_features_have_the_entropy_of_all_their_directions():
    basis = torch.linalg.qr(drawn(40, 8)).Q
    assert entropy(shares(basis)) == pytest.approx(math.log(8), abs=1e-5)
    assert largest_share(shares(basis)) == pytest.approx(math.log(8), abs=1e-5)
    one = drawn(40, 1) @ drawn(1, 8)
    assert entropy(shares(one)) == pytest.approx(0, abs=1e-3)
    assert largest_share(shares(one)) == pytest.approx(0, abs=1e-4)


def test_decorrelated_columns_have_no_covariance():
    centred = drawn(50, 6) - drawn(50, 6).mean(0)
    whitened = torch.linalg.svd(centred, full_matrices=False).U * 3
    assert float(covariance(whitened)) == pytest.approx(0, abs=1e-9)
    table = torch.cov(drawn(50, 6).T)
    off = table - table.diagonal().diag()
    torch.testing.assert_close(covariance(drawn(50, 6)), off.square().sum() / 6)


def test_the_scale_of_features_does_not_change_which_directions_rule():
    features = drawn(30, 7)
    torch.testing.assert_close(dominance(features, 5), dominance(17 * features, 5))
    values = torch.linalg.svdvals(features)
    torch.testing.assert_close(dominance(features, 2), -(values / values.sum())[:2].mean())


def test_no_gradient_reaches_the_features_as_they_came():
    tuned, before = drawn(5, 3).requires_grad_(), drawn(5, 3).flip(0).requires_grad_()
    consistency(tuned, before).backward()
    assert before.grad is None
    assert tuned.grad.abs().sum() > 0
    assert float(consistency(drawn(5, 3), 3 * drawn(5, 3))) == pytest.approx(0, abs=1e-12)


def test_operations_of_a_covariance_are_those_that_are_counted():
    features = drawn(32, 24).requires_grad_()
    with FlopCounterMode(display=False) as counter:
        covariance(features).backward()
    assert covariance_flops(32, 24) == counter.get_total_flops()
    assert singular_flops(32, 24) == singular_flops(24, 32) > covariance_flops(32, 24)
