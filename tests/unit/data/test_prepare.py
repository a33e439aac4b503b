import json

import pytest
import torch

from unchaff.data.frontends import from_json
from unchaff.data.prepare import LogMel, Pixels, Plain
from unchaff.errors import DataError


def test_pixels_are_scaled_then_standardised():
    raw = torch.tensor([0, 255], dtype=torch.uint8).reshape(1, 1, 1, 2)
    torch.testing.assert_close(Pixels((0.5,), (0.25,))(raw).flatten(), torch.tensor([-2.0, 2.0]))


def test_floats_are_taken_to_be_scaled_already():
    raw = torch.full((1, 1, 2, 2), 0.5)
    assert torch.equal(Pixels()(raw), raw)


def test_plain_standardises_each_column():
    prepared = Plain((1.0, 10.0), (1.0, 5.0))(torch.tensor([[2.0, 20.0]]))
    torch.testing.assert_close(prepared, torch.tensor([[1.0, 2.0]]))


def test_a_tone_lights_the_band_of_its_frequency():
    bands = LogMel.at(16000, 1.0)
    time = torch.arange(16000) / 16000
    low, high = (bands(torch.sin(2 * torch.pi * hz * time)[None]).mean(-1).argmax() for hz in (300, 3000))
    assert bands(time[None]).shape == (1, 1, 64, 101)
    # HTK: mel(f) = 2595 log10(1 + f/700); 65 equal steps from 0 to mel(8000) = 2840.
    assert (int(low), int(high)) == (8, 42)


@pytest.mark.parametrize("rate", [8000, 16000])
def test_every_band_holds_something(rate):
    noise = torch.randn(1, rate, generator=torch.Generator().manual_seed(0))
    assert LogMel.at(rate, 1.0)(noise).amin() > -9  # an empty band would be log(1e-6) = -13.8


def test_a_clip_sounds_the_same_alone_and_in_company():
    waves = torch.randn(33, 1600, generator=torch.Generator().manual_seed(0))
    bands = LogMel.at(16000, 0.1)
    assert torch.equal(bands(waves)[7], bands(waves[7:8])[0])


def test_fitted_bands_are_standardised():
    waves = torch.randn(20, 1600, generator=torch.Generator().manual_seed(0))
    prepared = LogMel.at(16000, 0.1).fitted(waves)(waves)
    torch.testing.assert_close(prepared.std(), torch.tensor(1.0), atol=0.01, rtol=0)
    torch.testing.assert_close(prepared.mean(), torch.tensor(0.0), atol=0.01, rtol=0)


@pytest.mark.parametrize("prepare", [Pixels((0.5,) * 3, (0.2,) * 3), Pixels(), Plain(), LogMel.at(8000, 0.7)])
def test_survives_the_way_through_json(prepare):
    assert from_json(json.loads(json.dumps(prepare.to_json()))) == prepare


def test_an_unknown_kind_is_named():
    with pytest.raises(DataError, match=r"'waffle' is not known. Known are: pixels, plain, logmel"):
        from_json({"kind": "waffle"})
