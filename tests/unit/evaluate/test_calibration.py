import numpy as np
import pytest
import torch

from unchaff.evaluate.calibration import calibrate, calibrate_quality
from unchaff.records import Partition, Truth


def test_error_equals_a_loop() -> None:
    rng = np.random.default_rng(0)
    quality, is_right = rng.random(500), rng.random(500) < 0.6
    expected = 0.0
    for low in range(15):
        inside = (quality >= low / 15) & (quality < (low + 1) / 15)
        if inside.any():
            expected += inside.sum() / 500 * abs(quality[inside].mean() - is_right[inside].mean())
    found = calibrate_quality(quality, is_right)
    assert found.error == pytest.approx(expected)
    assert sum(each.count for each in found.bins) == 500


def test_certain_and_right_has_no_error() -> None:
    found = calibrate_quality(np.array([0.0, 1.0, 1.0]), np.array([False, True, True]), num_bins=15)
    assert found.error == 0.0
    assert (found.bins[0].count, found.bins[-1].count) == (1, 2)


def test_ids_are_aligned() -> None:
    partition = Partition(
        ids=np.array([1, 0]), quality=torch.tensor([0.0, 1.0]), kept=torch.tensor([False, True])
    )
    labels = torch.zeros(2, dtype=torch.long)
    truth = Truth(ids=np.array([0, 1]), true_label=labels, is_noisy=torch.tensor([False, True]))
    assert calibrate(partition, truth).error == 0.0
