"""The closed form against refits: each sample really left out, one after the other."""

import pytest
import torch
from torch.nn import functional

from unchaff.attribute.ridge import Sums


def problem(count=40, width=6, classes=3):
    draw = torch.Generator().manual_seed(0)
    labels = torch.randint(classes, (count,), generator=draw)
    features = torch.randn(count, width, generator=draw) * 3 + labels[:, None] * 0.7 + 10
    features[:, -1] = 2.0  # a dead feature
    return features, labels


def refitted(features, labels, out, penalty, classes=3):
    """Fit without one sample: standardisation as on all, the intercept free, the penalty n times p."""
    wide = features.double()
    deviation = wide.std(0, correction=0)
    z = torch.where(deviation > 1e-6, (wide - wide.mean(0)) / deviation.clamp_min(1e-6), 0.0)
    design = torch.cat([z, torch.ones(len(z), 1, dtype=torch.float64)], dim=1)
    rest = torch.arange(len(z)) != out
    ridge = len(z) * penalty * torch.eye(design.shape[1], dtype=torch.float64)
    ridge[-1, -1] = 0
    target = functional.one_hot(labels, classes).double()
    weights = torch.linalg.solve(design[rest].T @ design[rest] + ridge, design[rest].T @ target[rest])
    return design[out] @ weights


@pytest.mark.parametrize("penalty", [0.01, 0.3, 5.0])
def test_leave_one_out_is_what_leaving_one_out_gives(penalty):
    features, labels = problem()
    sums = Sums(3)
    for chunk in (slice(0, 7), slice(7, 40)):
        sums.add(features[chunk], labels[chunk])
    said = sums.solve(penalty).leave_one_out(features, labels)
    expected = torch.stack([refitted(features, labels, out, penalty) for out in range(40)])
    torch.testing.assert_close(said, expected, rtol=0, atol=1e-8)


def test_attributions_add_up_to_what_is_predicted():
    features, labels = problem()
    sums = Sums(3)
    sums.add(features, labels)
    ridge = sums.solve(0.3)
    said = ridge.predict(features).gather(1, labels[:, None]).squeeze(1)
    torch.testing.assert_close(ridge.attribution(features, labels).sum(1) + ridge.target[labels], said)
