import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from unchaff.evaluate.curves import POINTS, inspect_noisy
from unchaff.streams import Streams


def test_a_perfect_ranking_finds_all_first() -> None:
    found = inspect_noisy(np.array([0.9, 0.1, 0.8, 0.2]), np.array([False, True, False, True]))
    assert found.inspected == (0.0, 0.25, 0.5, 0.75, 1.0)
    assert found.found == (0.0, 0.5, 1.0, 1.0, 1.0)
    assert found.false_alarms == (0.0, 0.0, 0.0, 0.5, 1.0)


def test_ties_are_found_evenly() -> None:
    found = inspect_noisy(np.zeros(10), np.arange(10) < 3)
    assert (found.inspected, found.found, found.false_alarms) == ((0.0, 1.0),) * 3


@pytest.mark.parametrize("digits", [8, 1])
def test_the_area_under_the_points_is_the_auroc(digits: int) -> None:
    draw = Streams(0).per_id("curve", np.arange(5000))
    is_noisy = Streams(1).per_id("curve", np.arange(5000)) < 0.3
    quality = np.round(draw - 0.3 * is_noisy, digits)
    found = inspect_noisy(quality, is_noisy)
    assert len(found.found) <= POINTS + 2
    area = np.trapezoid(found.found, found.false_alarms)
    assert area == pytest.approx(roc_auc_score(is_noisy, -quality), abs=1e-3)
