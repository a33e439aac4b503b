"""Small images, sound and tables to plant noise in."""

import numpy as np
import pytest
import torch

from unchaff.data import Options, from_arrays

CIFAR = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


@pytest.fixture
def pictures():
    """Return a function: 200 colour pictures of ten classes, 20 of each, from rows in any order."""
    rng = np.random.default_rng(0)
    inputs, labels = rng.integers(0, 256, (200, 3, 6, 6), dtype=np.uint8), np.arange(200) % 10

    def build(order=None, offset=1000):
        rows = np.arange(200) if order is None else np.asarray(order)
        return from_arrays(inputs[rows], labels[rows], ids=offset + rows, class_names=CIFAR)

    return build


@pytest.fixture
def clips():
    """Return 40 clips of two classes, with silence at the end of each."""
    time = torch.arange(400) / 1000
    waves = torch.stack([torch.sin(6.28 * (40 + 3 * row) * time) for row in range(40)]) * 0.3
    waves[:, 300:] = 0
    return from_arrays(waves, np.arange(40) % 2, options=Options(rate=1000))


@pytest.fixture
def table():
    """Return 100 rows of three columns of very different spread."""
    values = np.random.default_rng(1).normal(size=(100, 3)) * [0.01, 1.0, 1000.0]
    return from_arrays(values, np.arange(100) % 4)
