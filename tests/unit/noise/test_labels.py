import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unchaff.data.dataset import from_arrays
from unchaff.errors import NoiseError
from unchaff.noise import realised
from unchaff.noise.instance import InstanceDependent
from unchaff.noise.labels import Asymmetric, Pair, Symmetric, Transition, shared
from unchaff.streams import Streams


def counts(noise, clean, seed=0):
    noisy, truth = noise(clean, streams=Streams(seed))
    return realised(truth, noisy).transitions


def test_symmetric_is_exact_and_spreads_over_all_other_classes():
    clean = from_arrays(np.zeros((9000, 1), dtype=np.float32), np.arange(9000) % 3)
    table = counts(Symmetric(0.4), clean)
    wrong = table[~np.eye(3, dtype=bool)]
    assert wrong.sum() == 3600
    assert abs(wrong - 600).max() < 100  # five deviations of a binomial


def test_pair_is_exact_in_each_class(pictures):
    table = counts(Pair(0.4), pictures)
    for label, size in enumerate(pictures.labels.bincount().tolist()):
        assert table[label, (label + 1) % 10] == round(0.4 * size)
        assert table[label, label] == size - round(0.4 * size)


def test_asymmetric_follows_the_map_of_the_field(pictures):
    table = counts(Asymmetric(0.4), pictures)
    sizes = pictures.labels.bincount().tolist()
    moved = {(true, given): table[true, given] for true, given in np.argwhere(table > 0) if true != given}
    expected = {(9, 1), (2, 0), (4, 7), (3, 5), (5, 3)}
    assert moved == {(true, given): round(0.4 * sizes[true]) for true, given in expected}


def test_asymmetric_needs_its_classes():
    clean = from_arrays(np.zeros((4, 1), dtype=np.float32), [0, 1, 0, 1], class_names=["cat", "dog"])
    with pytest.raises(NoiseError, match="needs the classes airplane, automobile"):
        Asymmetric(0.4)(clean, streams=Streams(0))
    assert counts(Asymmetric(0.5, {"cat": "dog"}), clean).tolist() == [[1, 1], [0, 2]]


def test_transition_gives_the_asked_matrix_up_to_rounding(pictures):
    matrix = np.random.default_rng(0).dirichlet(np.ones(10), size=10)
    table = counts(Transition(matrix), pictures)
    expected = matrix * pictures.labels.bincount().numpy()[:, None]
    assert abs(table - expected).max() < 1


@settings(deadline=None, max_examples=50)
@given(parts=st.lists(st.floats(0.01, 1), min_size=1, max_size=8), count=st.integers(0, 500))
def test_shares_sum_up_and_are_off_by_less_than_one(parts, count):
    whole = shared(np.array(parts), count)
    assert whole.sum() == count
    assert abs(whole - np.array(parts) / sum(parts) * count).max() < 1


@pytest.mark.parametrize(
    ("matrix", "match"),
    [
        (np.ones((2, 3)) / 3, r"is square, got shape \(2, 3\)"),
        (np.ones((2, 2)), "sum to 1"),
        (np.array([[np.nan, 1], [0, 1]]), "sum to 1"),
        (np.array([[1.5, -0.5], [0, 1]]), "sum to 1"),
    ],
)
def test_a_matrix_of_no_probabilities_is_refused(matrix, match):
    with pytest.raises(NoiseError, match=match):
        Transition(matrix)


def test_a_matrix_for_other_classes_is_refused(pictures):
    with pytest.raises(NoiseError, match="for 2 classes, the data have 10"):
        Transition(np.eye(2))(pictures, streams=Streams(0))


@pytest.mark.parametrize("noise", [Symmetric(0.5), Pair(0.5), InstanceDependent(0.5)])
def test_a_number_that_no_sample_has_is_no_class_to_plant(noise):
    inputs = np.random.default_rng(0).random((300, 4), dtype=np.float32)
    clean = from_arrays(inputs, np.arange(300) % 3 * 2 + 1)  # labels 1, 3, 5 of six numbers
    noisy, truth = noise(clean, streams=Streams(0))
    assert set(noisy.labels.tolist()) == {1, 3, 5}
    assert truth.is_noisy.sum() == 150


@pytest.mark.parametrize("noise", [Symmetric(0.5), Pair(0.5), InstanceDependent(0.5)])
def test_wrong_labels_need_a_second_class_with_samples(noise):
    clean = from_arrays(np.ones((5, 2), dtype=np.float32), [1, 1, 1, 1, 0]).select(np.arange(4))
    with pytest.raises(NoiseError, match=r"All 4 samples are 1\. Wrong labels need two classes"):
        noise(clean, streams=Streams(0))
