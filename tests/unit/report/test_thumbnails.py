import base64
import io

import numpy as np
import pytest
import soundfile
import torch
from PIL import Image

from unchaff.report.thumbnails import SOUND_BYTES, media, spectrogram, waveform
from unchaff.samples import Kind


def _bytes_of(uri: str) -> io.BytesIO:
    return io.BytesIO(base64.b64decode(uri.partition(",")[2]))


def test_a_picture_comes_back() -> None:
    raw = torch.arange(48, dtype=torch.uint8).reshape(3, 4, 4)
    found = media(raw, Kind("image", (3, 4, 4)), "cat")
    np.testing.assert_array_equal(np.asarray(Image.open(_bytes_of(found.image))), raw.permute(1, 2, 0))
    assert found.is_small


def test_a_large_picture_is_made_small() -> None:
    found = media(torch.zeros(1, 400, 200, dtype=torch.uint8), Kind("image", (1, 400, 200)), "cat")
    assert Image.open(_bytes_of(found.image)).size == (64, 128)
    assert not found.is_small


@pytest.mark.parametrize(("scale", "expected"), [(1.0, 128), (2.0, 255)])
def test_floats_become_bytes(scale: float, expected: int) -> None:
    raw = torch.zeros(1, 2, 2)
    raw[0, 0, 0] = 0.5 * scale if scale == 1.0 else scale
    found = media(raw, Kind("image", (1, 2, 2)), "cat")
    assert np.asarray(Image.open(_bytes_of(found.image)))[0, 0] == expected


def test_many_channels_show_the_first() -> None:
    found = media(torch.zeros(5, 4, 4), Kind("image", (5, 4, 4)), "cat")
    assert Image.open(_bytes_of(found.image)).mode == "L"


def test_a_sound_can_be_played() -> None:
    wave = torch.sin(torch.arange(8000) * 0.3)
    found = media(wave, Kind("audio", (1, 64, 101), rate=8000), "yes")
    played, rate = soundfile.read(_bytes_of(found.sound))
    assert rate == 8000
    np.testing.assert_allclose(played, wave, atol=1e-4)
    assert found.note == ""


def test_a_long_sound_is_cut_and_says_so() -> None:
    found = media(torch.zeros(16000 * 20), Kind("audio", (1, 64, 2001), rate=16000), "yes")
    played, rate = soundfile.read(_bytes_of(found.sound))
    assert rate == 8000
    assert 2 * len(played) <= SOUND_BYTES
    assert found.note == "the first 5 s of 20 s"


def test_a_sound_that_is_only_drawn_has_no_player() -> None:
    found = media(torch.zeros(8000), Kind("audio", (1, 64, 101), rate=8000), "yes", plays=False)
    assert not found.sound
    assert Image.open(_bytes_of(found.image)).size == (176, 32 + 88)
    assert found.alt.startswith("Waveform and spectrogram of a sound labelled yes")


def test_a_waveform_is_as_high_as_the_sound_is_loud() -> None:
    wave = np.concatenate([np.zeros(4000), np.tile([1.0, -1.0], 2000)]).astype(np.float32)
    bright = np.asarray(waveform(wave)).astype(int).sum(axis=2) > 300
    assert bright[:, :80].sum(axis=0).max() == 1
    assert bright[:, 100:].sum(axis=0).min() == 32


def test_silence_has_a_spectrogram() -> None:
    assert spectrogram(np.zeros(4000, dtype=np.float32), 8000).size == (176, 88)


def test_low_notes_are_at_the_bottom() -> None:
    wave = np.sin(2 * np.pi * 200 * np.arange(8000, dtype=np.float32) / 8000).astype(np.float32)
    rows = np.asarray(spectrogram(wave, 8000)).sum(axis=(1, 2))
    assert rows.argmax() > 70


def test_a_row_of_numbers_is_a_table() -> None:
    found = media(torch.arange(10).float(), Kind("tabular", (10,)), "a")
    assert found.rows[1] == ("column 1", "1")
    assert found.note == "and 2 more columns"


def test_columns_go_by_their_names() -> None:
    found = media(torch.arange(2).float(), Kind("tabular", (2,)), "a", columns=("width", "<b>"))
    assert found.rows == (("width", "0"), ("<b>", "1"))
