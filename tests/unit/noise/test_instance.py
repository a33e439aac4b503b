import numpy as np
import torch

from unchaff.data import from_arrays
from unchaff.noise.instance import InstanceDependent
from unchaff.streams import Streams


def many(inputs):
    return from_arrays(inputs, np.arange(len(inputs)) % 5)


def test_the_mean_rate_is_near_the_asked_one_in_each_class():
    clean = many(np.random.default_rng(0).normal(size=(4000, 12)))
    _, truth = InstanceDependent(0.4)(clean, streams=Streams(0))
    assert abs(float(truth.is_noisy.double().mean()) - 0.4) < 0.025
    for label in range(5):
        assert abs(float(truth.is_noisy[truth.true_label == label].double().mean()) - 0.4) < 0.07


def test_the_wrong_class_depends_on_the_input():
    """Equal inputs of one class share their scores: their wrong labels agree more."""
    rng = np.random.default_rng(0)
    one, other = rng.normal(size=(2, 12)) * 5
    copies = many(np.concatenate([np.tile(one, (1000, 1)), np.tile(other, (1000, 1))]))
    noisy, truth = InstanceDependent(1.0)(copies, streams=Streams(2))
    first = (truth.true_label == 0) & (torch.arange(2000) < 1000)
    second = (truth.true_label == 0) & (torch.arange(2000) >= 1000)
    left, right = (torch.bincount(noisy.labels[rows], minlength=5) / rows.sum() for rows in (first, second))
    assert left[0] == right[0] == 0
    assert float((left - right).abs().sum()) > 0.4


def test_one_column_is_no_division_by_zero():
    clean = many(np.linspace(-1, 1, 200)[:, None])
    _, truth = InstanceDependent(0.5)(clean, streams=Streams(0))
    assert 0.3 < float(truth.is_noisy.double().mean()) < 0.7
