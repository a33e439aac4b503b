"""Samples as something to look at and listen to, inside the page."""

import base64
import io
from itertools import pairwise

import numpy as np
import soundfile
from matplotlib import colormaps
from numpy.typing import NDArray
from PIL import Image
from scipy.signal import resample_poly, stft
from torch import Tensor

from unchaff.report.views import Media
from unchaff.samples import Kind

LARGEST = 128  # pixels on the longer side
SMALL = 48  # pixels: below this, pictures are enlarged
SOUND_BYTES = 80_000  # of one player: 50 of them leave the page under 10 MB
DRAWN = (176, 88)  # pixels of a spectrogram
WAVE = 32  # pixels of the height of a waveform
GROUND, LIGHT = (0, 0, 4), (252, 253, 191)  # the ends of the colours of the spectrogram
SLOW_RATE = 8_000  # samples per second: enough to recognise speech
LONGEST_TEXT = 600  # characters
NUM_VALUES = 8  # of a row of numbers

Array = NDArray[np.float32]


def media(raw: Tensor, kind: Kind, label: str, *, plays: bool = True, columns: tuple[str, ...] = ()) -> Media:
    """Return one raw sample as a picture, a sound with what it looks like, or a short table.

    Args:
        raw: as stored.
        kind: of the samples.
        label: as given, for who cannot see it.
        plays: a sound comes with a player, which takes more room than all else.
        columns: their names, of a row of a table; numbered where they are not known.
    """
    if kind.name == "packed":
        return Media(note=f"{kind.layout}")
    values = raw.detach().cpu()
    if kind.name == "image" and values.ndim == 3:
        return _picture(values, label)
    if kind.name == "audio" and values.ndim == 1:
        return _sound(values.float().numpy(), kind.rate or 16_000, label, plays=plays)
    return _row(values.float().flatten().numpy(), columns)


def written(text: str) -> Media:
    """Return the beginning of a text."""
    return Media(text=text if len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]} ...")


def _picture(values: Tensor, label: str) -> Media:
    pixels = _bytes(values)
    picture = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
    picture.thumbnail((LARGEST, LARGEST))
    height, width = pixels.shape[:2]
    return Media(image=_png(picture), alt=f"Picture labelled {label}", is_small=max(height, width) <= SMALL)


def _bytes(values: Tensor) -> NDArray[np.uint8]:
    """Return (height, width, 1 or 3) bytes; floats are taken to be in [0, 1], or stretched to it."""
    channels = values if values.shape[0] in (1, 3) else values[:1]
    pixels = channels.permute(1, 2, 0).numpy()
    if pixels.dtype == np.uint8:
        return np.ascontiguousarray(pixels)
    scaled = np.nan_to_num(pixels.astype(np.float32))
    low, high = float(scaled.min()), float(scaled.max())
    if low < 0 or high > 1:
        scaled = (scaled - low) / max(high - low, 1e-9)
    return np.ascontiguousarray((scaled * 255).round().astype(np.uint8))


def _sound(wave: Array, rate: int, label: str, *, plays: bool) -> Media:
    seconds = len(wave) / rate
    image, alt = (
        _png(drawn(wave, rate)),
        f"Waveform and spectrogram of a sound labelled {label}, {seconds:.1f} s",
    )
    if not plays:
        return Media(image=image, alt=alt)
    note, played, played_rate = "", wave, rate
    if 2 * len(wave) > SOUND_BYTES and rate > SLOW_RATE:
        played = resample_poly(wave, SLOW_RATE, rate).astype(np.float32)
        played_rate, note = SLOW_RATE, f"played at {SLOW_RATE} Hz"
    longest = SOUND_BYTES // 2
    if len(played) > longest:
        played = played[:longest]
        note = f"the first {longest / played_rate:.0f} s of {seconds:.0f} s"
    return Media(image=image, sound=_wav(played, played_rate), alt=alt, note=note)


def drawn(wave: Array, rate: int) -> Image.Image:
    """Return the waveform above the spectrogram, both on one axis of time."""
    upper, lower = waveform(wave), spectrogram(wave, rate)
    both = Image.new("RGB", (lower.width, upper.height + lower.height))
    both.paste(upper, (0, 0))
    both.paste(lower, (0, upper.height))
    return both


def waveform(wave: Array) -> Image.Image:
    """Return the range of each slice of time as an upright line, as large as the loudest fills the height."""
    width, height = DRAWN[0], WAVE
    ends = np.linspace(0, len(wave), width + 1).astype(np.int64)
    peak = max(float(np.abs(wave).max(initial=0.0)), 1e-9)
    pixels = np.full((height, width, 3), GROUND, dtype=np.uint8)
    for column, (start, stop) in enumerate(pairwise(ends)):
        slice_ = wave[start : max(stop, start + 1)]
        if not len(slice_):
            continue
        low, high = float(slice_.min()) / peak, float(slice_.max()) / peak
        top = round((1 - high) / 2 * (height - 1))
        bottom = round((1 - low) / 2 * (height - 1))
        pixels[top : bottom + 1, column] = LIGHT
    return Image.fromarray(pixels)


def spectrogram(wave: Array, rate: int) -> Image.Image:
    """Return 70 dB of power over time, low frequencies at the bottom."""
    window = min(max(rate // 40, 16), len(wave))
    power = np.abs(stft(wave, rate, nperseg=window)[2]) ** 2
    decibel = 10 * np.log10(power + 1e-10)
    scaled = np.clip((decibel - decibel.max()) / 70 + 1, 0, 1)[::-1]
    colours = (colormaps["magma"](scaled)[:, :, :3] * 255).astype(np.uint8)
    return Image.fromarray(np.ascontiguousarray(colours)).resize(DRAWN, Image.Resampling.BILINEAR)


def _row(values: Array, columns: tuple[str, ...]) -> Media:
    names = columns if len(columns) == len(values) else [f"column {index}" for index in range(len(values))]
    pairs = zip(names[:NUM_VALUES], values[:NUM_VALUES], strict=True)
    shown = tuple((name, f"{value:.4g}") for name, value in pairs)
    hidden = len(values) - len(shown)
    return Media(rows=shown, note=f"and {hidden} more columns" if hidden else "")


def _wav(wave: Array, rate: int) -> str:
    buffer = io.BytesIO()
    peak = max(float(np.abs(wave).max(initial=0.0)), 1e-9)
    loud = wave / peak * 0.9 if peak > 1 else wave
    soundfile.write(buffer, loud, rate, format="WAV", subtype="PCM_16")
    return "data:audio/wav;base64," + base64.b64encode(buffer.getvalue()).decode()


def _png(picture: Image.Image) -> str:
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
