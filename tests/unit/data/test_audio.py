"""Audio of any rate and length becomes clips of one rate and length."""

from io import BytesIO

import numpy as np
import pytest
import soundfile
import torch

from unchaff.data.audio import resampled
from unchaff.data.load import load
from unchaff.data.options import Options
from unchaff.errors import ConfigError, DataError


@pytest.fixture
def read(tmp_path, make):
    def read(files, **options):
        labels = [row % 2 for row in range(len(files))]
        path = make.table(tmp_path / "t.parquet", {"audio": files, "label": labels}, medium="Audio")
        return load(path, Options(**options))

    return read


def wav(wave, rate=8000):
    buffer = BytesIO()
    soundfile.write(buffer, np.asarray(wave, dtype=np.float32), rate, format="WAV", subtype="FLOAT")
    return buffer.getvalue()


def test_clips_are_cut_and_padded_to_the_95th_percentile(read, make):
    loaded = read([make.clip(row, seconds=0.1) for row in range(30)] + [make.clip(9, seconds=0.5)])
    assert loaded.prepare.seconds == 0.1
    assert loaded.train.source.raw(np.arange(31)).shape == (31, 800)
    assert loaded.notes == ("Clips were brought to 0.1 s: 1 cut, 0 padded with silence.",)


def test_the_most_common_rate_wins_up_to_16000(read, make):
    loaded = read([make.clip(0), make.clip(1), make.clip(2, rate=16000)])
    assert loaded.prepare.rate == 8000
    assert "1 of 3 clips were resampled to 8000 Hz." in loaded.notes
    assert read([make.clip(0, rate=44100), make.clip(1, rate=44100)]).prepare.rate == 16000


def test_rate_and_length_can_be_asked_for(read, make):
    loaded = read([make.clip(0), make.clip(1)], rate=4000, seconds=0.5)
    assert loaded.train.source.raw(np.arange(2)).shape == (2, 2000)
    assert loaded.train.kind.rate == 4000
    assert str(loaded.train.kind) == "audio 1x64x51 from 4000 Hz sound"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"seconds": 7200.0}, "seconds asks for clips of 7200, 3,600 allowed by UNCHAFF_MAX_SECONDS"),
        (
            {"seconds": 10.0, "rate": 10**8},
            r"Clips of 10 s at a rate of 100,000,000 have 1,000,000,000 values",
        ),
        (
            {"size": (10**5, 10**5)},
            "images of 100000x100000 pixels, 89,000,000 allowed by UNCHAFF_MAX_PIXELS",
        ),
    ],
)
def test_sizes_beyond_what_one_sample_may_take_are_refused(read, make, options, said):
    with pytest.raises(ConfigError, match=said):
        read([make.clip(0), make.clip(1)], **options)


def test_channels_are_averaged(read, make):
    one = read([make.clip(0), make.clip(1)]).train.source.raw(np.arange(2))
    two = read([make.clip(0, channels=2), make.clip(1, channels=2)]).train.source.raw(np.arange(2))
    torch.testing.assert_close(one, two)


def test_resampling_keeps_the_pitch():
    tone = np.sin(2 * np.pi * 500 * np.arange(16000) / 16000).astype(np.float32)
    spectrum = np.abs(np.fft.rfft(resampled(tone, 16000, 8000)))
    assert int(spectrum.argmax()) == 500


def test_unusable_clips_are_left_out_by_id(read, make):
    nan = np.full(800, 0.1)
    nan[3] = np.nan
    files = [make.clip(0), make.clip(1), b"junk", wav(np.zeros(800)), wav([]), wav(nan), b""]
    reasons = {one.id: one.reason for one in read(files, seconds=0.2).skipped}
    assert reasons.pop(2).startswith("not readable audio")
    assert reasons == {
        3: "the clip is silent",
        4: "the clip has no length",
        5: "the clip holds NaN or infinite values",
        6: "the file is empty",
    }


def test_nothing_but_silence_is_an_error(read):
    with pytest.raises(DataError, match="None of the 2 audio files can be used: the clip is silent"):
        read([wav(np.zeros(800)), wav(np.zeros(800))])


def test_lazy_gives_the_same_batches(read, make):
    files = [make.clip(row, seconds=0.1 + 0.02 * row) for row in range(6)]
    held, lazy = read(files), read(files, lazy=True, workers=0)
    assert held.prepare == lazy.prepare
    for one, other in zip(held.train.batches(4), lazy.train.batches(4), strict=True):
        assert torch.equal(one.inputs, other.inputs)
