"""What every noise of NOISES owes; none is named here, except in the list itself."""

import numpy as np
import pytest
import torch

from unchaff.data import from_arrays
from unchaff.errors import NoiseError
from unchaff.noise import NOISES, realised
from unchaff.noise.labels import CIFAR
from unchaff.streams import Streams

NAMES = sorted({*CIFAR, *CIFAR.values()})  # the classes that asymmetric noise needs
COUNT = 160


def made(order=None):
    """Return small colour pictures of eight classes, from rows in any order."""
    inputs = np.random.default_rng(0).integers(0, 256, (COUNT, 3, 5, 5), dtype=np.uint8)
    rows = np.arange(COUNT) if order is None else order
    ids = np.array([f"picture {row:03}" for row in rows])
    return from_arrays(inputs[rows], rows % 8, ids=ids, class_names=NAMES)


def raw(samples):
    return samples.source.raw(np.arange(len(samples)))


def outcome(noise, clean, seed=0):
    noisy, truth = noise(clean, streams=Streams(seed))
    return noisy.labels, raw(noisy), truth.true_label, truth.is_noisy


@pytest.fixture(params=NOISES.values(), ids=NOISES.keys())
def kind(request):
    return request.param


def test_rate_0_changes_nothing(kind):
    clean = made()
    labels, inputs, true, is_noisy = outcome(kind(0), clean)
    assert torch.equal(labels, clean.labels)
    assert torch.equal(true, clean.labels)
    assert not is_noisy.any()
    scale = 255 if inputs.is_floating_point() else 1
    assert torch.equal((inputs * scale).round().to(torch.uint8), raw(clean))


def test_the_truth_is_right_about_labels_or_inputs(kind):
    clean = made()
    labels, inputs, true, is_noisy = outcome(kind(0.4), clean)
    assert is_noisy.any()
    assert torch.equal(true, clean.labels)
    scale = 255 if inputs.is_floating_point() else 1
    respelt = (inputs * scale).round() != raw(clean)
    assert torch.equal((labels != true) | respelt.flatten(1).any(1), is_noisy)


def test_the_samples_given_are_not_changed(kind):
    clean = made()
    before = clean.labels.clone(), raw(clean).clone(), clean.ids.copy()
    outcome(kind(0.4), clean)
    assert torch.equal(clean.labels, before[0])
    assert torch.equal(raw(clean), before[1])
    np.testing.assert_array_equal(clean.ids, before[2])


def test_the_same_seed_plants_the_same_and_another_seed_another(kind):
    first, again, other = (outcome(kind(0.4), made(), seed) for seed in (0, 0, 1))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first[3], other[3])


def test_the_order_of_the_data_changes_nothing(kind):
    straight = outcome(kind(0.4), made())
    shuffled = outcome(kind(0.4), made(np.random.default_rng(5).permutation(COUNT)))
    assert all(torch.equal(a, b) for a, b in zip(straight, shuffled, strict=True))


def test_ids_and_classes_stay(kind):
    clean = made()
    noisy, truth = kind(0.4)(clean, streams=Streams(0))
    np.testing.assert_array_equal(noisy.ids, clean.ids)
    np.testing.assert_array_equal(truth.ids, clean.ids)
    assert noisy.class_names == clean.class_names
    assert 0 <= int(noisy.labels.min()) <= int(noisy.labels.max()) < clean.num_classes
    assert realised(truth, noisy).rate == float(truth.is_noisy.double().mean())


def test_global_random_numbers_stay(kind):
    torch_before, numpy_before = torch.random.get_rng_state(), repr(np.random.get_state())  # noqa: NPY002
    outcome(kind(0.4), made())
    assert torch.equal(torch_before, torch.random.get_rng_state())
    assert numpy_before == repr(np.random.get_state())  # noqa: NPY002


@pytest.mark.parametrize("rate", [-0.01, 1.01, 40, float("nan")])
def test_a_rate_outside_0_to_1_is_refused(kind, rate):
    with pytest.raises(NoiseError, match=r"rate must be in \[0, 1\], got .*For 20 % noise pass 0.2"):
        kind(rate)
