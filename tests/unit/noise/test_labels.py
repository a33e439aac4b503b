import numpy as np
import pytest
import torch

from unchaff.errors import NoiseError
from unchaff.noise import realised
from unchaff.noise.labels import Asymmetric, Pair, Symmetric, Transition, shared
from unchaff.streams import Streams


def plant(noise, clean, seed=0):
    noisy, truth = noise(clean, streams=Streams(seed))
    return noisy.labels, truth.true_label, truth.is_noisy


@pytest.mark.parametrize(("rate", "count"), [(0.4, 80), (0.123, 25), (1.0, 200)])
def test_symmetric_changes_exactly_its_rate_and_never_to_the_true_class(pictures, rate, count):
    given, true, is_noisy = plant(Symmetric(rate), pictures())
    assert int(is_noisy.sum()) == count
    assert torch.equal(given != true, is_noisy)


def test_symmetric_reaches_every_other_class(pictures):
    given, true, _ = plant(Symmetric(1.0), pictures())
    assert set(((given - true) % 10).tolist()) == set(range(1, 10))


def test_pair_takes_each_class_to_the_next_with_its_own_exact_rate(pictures):
    given, true, is_noisy = plant(Pair(0.3), pictures())
    assert torch.equal(given[is_noisy], (true[is_noisy] + 1) % 10)
    assert torch.bincount(true[is_noisy]).tolist() == [6] * 10


def test_asymmetric_goes_by_class_name_and_leaves_the_others(pictures):
    clean = pictures()
    noisy, truth = Asymmetric(0.5)(clean, streams=Streams(0))
    moved = np.argwhere(realised(truth, noisy).transitions * ~np.eye(10, dtype=bool))
    assert [(clean.class_names[a], clean.class_names[b]) for a, b in moved] == [
        ("bird", "airplane"),
        ("cat", "dog"),
        ("deer", "horse"),
        ("dog", "cat"),
        ("truck", "automobile"),
    ]
    assert int(truth.is_noisy.sum()) == 50


def test_asymmetric_needs_its_classes(table):
    with pytest.raises(NoiseError, match=r"needs the classes airplane, automobile.*Use pair or transition"):
        Asymmetric(0.5)(table, streams=Streams(0))


def test_a_transition_matrix_is_met_to_the_last_sample(table):
    matrix = np.array([[0.6, 0.4, 0, 0], [0, 1, 0, 0], [0.25, 0.25, 0.25, 0.25], [0, 0, 0.11, 0.89]])
    noisy, truth = Transition(matrix)(table, streams=Streams(3))
    counts = realised(truth, noisy).transitions
    assert counts[0].tolist() == [15, 10, 0, 0]
    assert counts[1].tolist() == [0, 25, 0, 0]
    assert np.abs(counts - matrix * 25).max() < 1
    assert counts.sum(1).tolist() == [25] * 4


def test_whole_numbers_are_shared_by_largest_remainders():
    assert shared(np.array([0.5, 0.3, 0.2]), 9).tolist() == [4, 3, 2]
    assert shared(np.array([1.0, 1.0, 1.0]), 4).tolist() == [2, 1, 1]


def test_a_matrix_for_another_number_of_classes_is_refused(table):
    with pytest.raises(NoiseError, match="for 2 classes, the data have 4"):
        Transition(np.eye(2))(table, streams=Streams(0))


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        (np.ones((2, 3)) / 3, r"square, got shape \(2, 3\)"),
        (np.array([[0.5, 0.4], [0, 1]]), "sum to 1"),
        (np.array([[1.5, -0.5], [0, 1]]), "probabilities"),
        (np.array([[np.nan, 1], [0, 1]]), "sum to 1"),
    ],
)
def test_what_is_no_transition_matrix_is_refused(matrix, message):
    with pytest.raises(NoiseError, match=message):
        Transition(matrix)


def test_two_sources_of_noise_hit_different_samples(pictures):
    first = plant(Symmetric(0.4), pictures(), seed=0)[2]
    second = plant(Symmetric(0.4), pictures(), seed=1)[2]
    assert 0.05 < float((first & second).float().mean()) < 0.3  # 0.16 expected
