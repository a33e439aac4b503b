import numpy as np
import torch

from unchaff.cli import twins
from unchaff.data import from_arrays


def samples(inputs, labels):
    return from_arrays(np.asarray(inputs, dtype=np.float32), np.asarray(labels))


def random_rows(count=40):
    return np.random.default_rng(0).normal(size=(count, 12)).astype(np.float32)


def test_identical_samples_with_different_labels_are_found():
    rows = random_rows()
    rows[30] = rows[3]
    labels = np.arange(40) % 4
    labels[30] = (labels[3] + 1) % 4
    found = twins.find(samples(rows, labels)).twins
    assert [(one.ids, one.identical) for one in found] == [((3, 30), True)]


def test_nearly_identical_samples_with_different_labels_are_found():
    rows = random_rows()
    rows[30] = rows[3] + 0.01
    labels = np.arange(40) % 4
    labels[30] = (labels[3] + 1) % 4
    found = twins.find(samples(rows, labels)).twins
    assert [(one.ids, one.identical) for one in found] == [((3, 30), False)]


def test_the_same_label_is_no_contradiction():
    rows = random_rows()
    rows[31], rows[32] = rows[3], rows[3] + 0.01
    assert twins.find(samples(rows, np.arange(40) % 4 * 0 + np.r_[np.zeros(39), 1].astype(int))).twins == ()


def test_few_and_equal_samples_are_no_trouble():
    found = twins.find(samples(np.zeros((3, 2)), [0, 1, 1])).twins
    assert [one.ids for one in found] == [(0, 1, 2)]
    assert torch.get_num_threads() == 1
