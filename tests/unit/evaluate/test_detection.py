import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score, f1_score, precision_score, recall_score, roc_auc_score

from unchaff.errors import DataError
from unchaff.evaluate.detection import detect, detect_noisy, missed_share
from unchaff.records import Partition, Truth


def _truth(is_noisy: list[bool]) -> Truth:
    labels = torch.zeros(len(is_noisy), dtype=torch.long)
    return Truth(ids=np.arange(len(is_noisy)), true_label=labels, is_noisy=torch.tensor(is_noisy))


def _partition(quality: list[float], ids: list[int] | None = None) -> Partition:
    numbers = torch.tensor(quality)
    return Partition(
        ids=np.asarray(range(len(quality)) if ids is None else ids), quality=numbers, kept=numbers > 0.5
    )


def test_detection_equals_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    is_noisy = rng.random(300) < 0.3
    quality = np.clip(rng.normal(0.7 - 0.3 * is_noisy, 0.2), 0, 1)
    kept = quality > 0.5
    found = detect_noisy(quality, kept, is_noisy)
    assert found.auroc == pytest.approx(roc_auc_score(is_noisy, 1 - quality))
    assert found.auprc == pytest.approx(average_precision_score(is_noisy, 1 - quality))
    assert found.f1 == pytest.approx(f1_score(is_noisy, ~kept))
    assert found.precision == pytest.approx(precision_score(is_noisy, ~kept))
    assert found.recall == pytest.approx(recall_score(is_noisy, ~kept))
    assert found.kept_precision == pytest.approx(precision_score(~is_noisy, kept))
    assert found.noise_rate == pytest.approx(is_noisy.mean())


def test_missed_share_by_hand() -> None:
    is_noisy = np.array([True, False, True, False])
    assert missed_share(np.array([0.1, 0.2, 0.3, 0.4]), is_noisy) == 0.5


def test_ties_count_by_their_expected_share() -> None:
    is_noisy = np.array([True, False, False, False])
    assert missed_share(np.ones(4), is_noisy) == 0.75


def test_ids_decide_and_not_positions() -> None:
    truth = _truth([True, False, False, True, False])
    sorted_first = detect(_partition([0.1, 0.9, 0.8, 0.2], ids=[0, 1, 2, 3]), truth)
    permuted = detect(_partition([0.2, 0.9, 0.1, 0.8], ids=[3, 1, 0, 2]), truth)
    assert permuted == sorted_first
    assert permuted is not None
    assert (permuted.auroc, permuted.f1, permuted.fnr_at_rate) == (1.0, 1.0, 0.0)


@pytest.mark.parametrize("is_noisy", [[True, True], [False, False]])
def test_nothing_to_tell_apart_is_none(is_noisy: list[bool]) -> None:
    assert detect(_partition([0.1, 0.9]), _truth(is_noisy)) is None


def test_one_kind_only_is_refused() -> None:
    with pytest.raises(DataError, match="0 of 2 samples are noisy"):
        detect_noisy(np.ones(2), np.ones(2, dtype=bool), np.zeros(2, dtype=bool))


def test_truth_of_other_data_is_refused() -> None:
    with pytest.raises(DataError, match="nothing about 1 of 2 ids, the first is 7"):
        detect(_partition([0.1, 0.9], ids=[0, 7]), _truth([True, False]))


def test_everything_kept_finds_nothing() -> None:
    found = detect(_partition([1.0, 1.0]), _truth([True, False]))
    assert found is not None
    assert (found.f1, found.precision, found.recall, found.kept_precision) == (0.0, 0.0, 0.0, 0.5)
