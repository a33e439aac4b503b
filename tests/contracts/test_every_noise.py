"""What holds for every noise: truth apart, input untouched, keyed by id, exact rates."""

import numpy as np
import pytest
import torch

from unchaff.data.dataset import from_arrays
from unchaff.noise import NOISES
from unchaff.noise.base import Noise
from unchaff.noise.labels import CIFAR
from unchaff.streams import Streams

COUNT = 90
NAMES = tuple(sorted({*CIFAR, *CIFAR.values()}))
PIXELS = torch.randint(0, 256, (COUNT, 3, 5, 5), generator=torch.Generator().manual_seed(0)).byte()
LABELS = np.arange(COUNT) % len(NAMES)


def samples(order=None):
    order = np.arange(COUNT) if order is None else order
    return from_arrays(PIXELS[order], LABELS[order], ids=order + 1000, class_names=NAMES)


def raw(some):
    return some.source.raw(np.arange(len(some))).float()


@pytest.fixture(params=NOISES)
def noise(request):
    return NOISES[request.param]


def test_is_a_noise(noise):
    assert isinstance(noise(0.4), Noise)


def test_rate_zero_changes_nothing(noise):
    clean = samples()
    noisy, truth = noise(0.0)(clean, streams=Streams(0))
    assert torch.equal(noisy.labels, clean.labels)
    torch.testing.assert_close(next(noisy.batches(COUNT)).inputs, next(clean.batches(COUNT)).inputs)
    assert not truth.is_noisy.any()


def test_the_truth_is_what_was_there_before(noise):
    clean = samples()
    noisy, truth = noise(0.4)(clean, streams=Streams(0))
    assert truth.ids.tolist() == noisy.ids.tolist() == clean.ids.tolist()
    assert torch.equal(truth.true_label, clean.labels)
    changed = next(noisy.batches(COUNT)).inputs - next(clean.batches(COUNT)).inputs
    inputs_differ = changed.abs().amax((1, 2, 3)) > 1e-6
    assert torch.equal(truth.is_noisy, (noisy.labels != clean.labels) | inputs_differ)


def test_the_rate_is_exact(noise):
    """Over all samples, or in each of the classes that can change."""
    clean = samples()
    for rate in (0.1, 0.4, 1.0):
        noisy, truth = noise(rate)(clean, streams=Streams(0))
        per_class = clean.labels[truth.is_noisy].bincount(minlength=len(NAMES))
        sizes = clean.labels.bincount()
        by_class = [
            count in (0, round(rate * size))
            for count, size in zip(per_class.tolist(), sizes.tolist(), strict=True)
        ]
        assert int(truth.is_noisy.sum()) == round(rate * COUNT) or all(by_class)
        assert noisy.num_classes == clean.num_classes


def test_the_input_is_not_edited(noise):
    clean = samples()
    labels, pixels = clean.labels.clone(), raw(clean).clone()
    noisy, _ = noise(0.4)(clean, streams=Streams(0))
    raw(noisy)
    assert torch.equal(clean.labels, labels)
    assert torch.equal(raw(clean), pixels)


def test_permuting_the_samples_changes_no_decision(noise):
    order = np.random.default_rng(0).permutation(COUNT)
    one, one_truth = noise(0.4)(samples(), streams=Streams(0))
    two, two_truth = noise(0.4)(samples(order), streams=Streams(0))
    assert torch.equal(one.labels, two.labels)
    assert torch.equal(one_truth.is_noisy, two_truth.is_noisy)
    assert torch.equal(raw(one), raw(two))


def test_another_seed_hits_others_and_the_same_seed_the_same(noise):
    hits = [noise(0.4)(samples(), streams=Streams(seed))[1].is_noisy.tolist() for seed in (0, 0, 1)]
    assert hits[0] == hits[1]
    assert hits[0] != hits[2]


def test_global_random_numbers_stay(noise):
    state, other = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    noisy, _ = noise(0.4)(samples(), streams=Streams(0))
    raw(noisy)
    assert torch.equal(torch.get_rng_state(), state)
    assert np.array_equal(np.random.get_state()[1], other)  # noqa: NPY002
