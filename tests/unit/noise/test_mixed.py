"""Several kinds on the same data."""

import numpy as np
import pytest
import torch

from unchaff.data import from_arrays
from unchaff.errors import NoiseError
from unchaff.noise import parse
from unchaff.streams import Streams


@pytest.fixture
def clean():
    pixels = np.random.default_rng(0).integers(0, 256, (400, 3, 8, 8), dtype=np.uint8)
    return from_arrays(pixels, np.arange(400) % 4)


def plant(spec, clean):
    return parse(spec)(clean, streams=Streams(0))


def test_labels_and_inputs_are_hit_independently(clean):
    noisy, truth = plant("gaussian:0.5:0.2+symmetric:0.2", clean)
    spoiled, by_inputs = plant("gaussian:0.5:0.2", clean)
    relabelled, by_labels = plant("symmetric:0.2", clean)
    assert torch.equal(truth.is_noisy, by_inputs.is_noisy | by_labels.is_noisy)
    assert 0.5 < truth.is_noisy.float().mean() < 0.7
    assert torch.equal(noisy.labels, relabelled.labels)
    rows = np.arange(400)
    assert torch.equal(noisy.source.raw(rows), spoiled.source.raw(rows))
    assert torch.equal(truth.true_label, clean.labels)


def test_a_label_that_is_right_again_is_not_noisy(clean):
    noisy, truth = plant("pair:1+symmetric:1", clean)
    assert torch.equal(truth.is_noisy, noisy.labels != clean.labels)
    assert not truth.is_noisy.all()


def test_a_kind_is_planted_once(clean):
    with pytest.raises(NoiseError, match=r"once, got Symmetric \+ Symmetric"):
        plant("symmetric:0.1+symmetric:0.2", clean)


def test_a_plus_inside_a_path_is_no_joint(tmp_path):
    with pytest.raises(NoiseError, match=r"a\+b\.csv is not a matrix"):
        parse(f"transition:{tmp_path}/a+b.csv")
