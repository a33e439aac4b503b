import numpy as np
import pytest
import torch

from unchaff.data.dataset import from_arrays, from_dataset
from unchaff.data.options import Options
from unchaff.errors import NoiseError
from unchaff.noise.inputs import GaussianInputs, GaussianPublished
from unchaff.streams import Streams


def raw(samples):
    return samples.source.raw(np.arange(len(samples))).float()


def waves(count=20, silent_from=600):
    wave = torch.randn(count, 800, generator=torch.Generator().manual_seed(0)) * 0.1
    wave[:, silent_from:] = 0
    return from_arrays(wave, np.arange(count) % 2, options=Options(rate=8000))


def test_images_are_hit_by_the_asked_deviation():
    grey = from_arrays(torch.full((40, 1, 20, 20), 128, dtype=torch.uint8), np.arange(40) % 2)
    noisy, truth = GaussianInputs(0.5, 0.1)(grey, streams=Streams(0))
    difference = raw(noisy) - 128
    torch.testing.assert_close(difference[truth.is_noisy].std(), torch.tensor(25.5), rtol=0.03, atol=0)
    assert difference[~truth.is_noisy].abs().max() == 0
    assert noisy.source.raw(np.arange(1)).dtype == torch.uint8


@pytest.mark.parametrize("decibel", [-5, 0, 10])
def test_sound_gets_the_asked_ratio_up_to_its_padding(decibel):
    clean = waves()
    noisy, truth = GaussianInputs(1.0, decibel)(clean, streams=Streams(0))
    noise = raw(noisy) - raw(clean)
    ratio = 10 * torch.log10(raw(clean)[:, :600].square().mean() / noise[:, :600].square().mean())
    torch.testing.assert_close(ratio, torch.tensor(float(decibel)), atol=0.3, rtol=0)
    assert noise[:, 600:].abs().max() == 0
    assert truth.is_noisy.all()


def test_columns_are_hit_in_proportion_to_their_own_deviation():
    x = torch.randn(500, 2, generator=torch.Generator().manual_seed(0)) * torch.tensor([1.0, 1000.0])
    clean = from_arrays(x, np.arange(500) % 2)
    noisy, _ = GaussianInputs(1.0, 0.5)(clean, streams=Streams(0))
    deviation = (raw(noisy) - raw(clean)).std(0) / x.std(0)
    torch.testing.assert_close(deviation, torch.tensor([0.5, 0.5]), atol=0.06, rtol=0)


def test_the_sound_form_is_the_same_at_every_access_and_after_selecting(pictures):
    noisy, _ = GaussianInputs(0.5)(pictures, streams=Streams(0))
    assert torch.equal(raw(noisy), raw(noisy))
    some = noisy.ids[10:20]
    assert torch.equal(raw(noisy.select(some)), raw(noisy)[10:20])


def test_the_published_form_gives_a_network_what_the_published_code_gave(pictures):
    """After normalisation the hit images lie in [0, 1], half the values 0 and two in five 1."""
    noisy, truth = GaussianPublished(0.5)(pictures, streams=Streams(0))
    pixels = raw(pictures) / 255
    mean = pixels.mean((0, 2, 3)).reshape(3, 1, 1)
    std = pixels.std((0, 2, 3), correction=0).reshape(3, 1, 1)
    seen = ((raw(noisy) - mean) / std)[truth.is_noisy]
    assert seen.min() > -1e-4
    assert seen.max() < 1 + 1e-4
    torch.testing.assert_close((seen < 1e-3).float().mean(), torch.tensor(0.50), atol=0.03, rtol=0)
    torch.testing.assert_close((seen > 1 - 1e-3).float().mean(), torch.tensor(0.41), atol=0.03, rtol=0)
    torch.testing.assert_close(raw(noisy)[~truth.is_noisy], pixels[~truth.is_noisy])


def test_the_published_form_is_drawn_anew_at_every_access(pictures):
    noisy, truth = GaussianPublished(0.5)(pictures, streams=Streams(0))
    one, two = raw(noisy), raw(noisy)
    assert not torch.equal(one[truth.is_noisy], two[truth.is_noisy])
    assert torch.equal(one[~truth.is_noisy], two[~truth.is_noisy])


def test_the_published_form_is_for_images():
    with pytest.raises(NoiseError, match="is for images, the data are audio"):
        GaussianPublished(0.5)(waves(), streams=Streams(0))


def test_noise_is_refused_where_there_is_nothing_to_add_it_to():
    table = from_arrays(np.zeros((4, 2)), [0, 1, 0, 1])
    with pytest.raises(NoiseError, match="level must be 0 or more, got -1"):
        GaussianInputs(0.5, -1.0)(table, streams=Streams(0))
    packed = from_dataset([({"a": torch.ones(3)}, row % 2) for row in range(4)])
    with pytest.raises(NoiseError, match="gaussian is for image, audio, tabular data"):
        GaussianInputs(0.5)(packed, streams=Streams(0))
