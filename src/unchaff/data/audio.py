"""Audio files to waveforms of one rate and one length: (time,), float32, one channel."""

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from io import BytesIO

import numpy as np
import soundfile
import torch
from numpy.typing import NDArray
from scipy.signal import resample_poly
from torch import Tensor

from unchaff import limits
from unchaff.data.extracted import Extracted
from unchaff.data.listing import Decoded, Encoded, Subset, good_rows
from unchaff.data.loader import Items
from unchaff.data.options import Options
from unchaff.data.prepare import LogMel, Prepare
from unchaff.data.sources import in_memory, on_disk
from unchaff.data.workers import alike, in_threads
from unchaff.errors import ConfigError, DataError
from unchaff.hub import Folder
from unchaff.samples import Kind

LAZY_ABOVE = 2 * 1024**3  # bytes when decoded
HIGHEST_RATE = 16000  # chosen by itself; more has to be asked for
FIT_ON = 256  # clips that mean and deviation are taken from
FIT_VALUES = 2**27  # and of fewer where they are long: 256 of 32 s at 16 kHz
FASTEST = 768_000  # samples a second of the finest recorders; a resampling filter grows with this number
BROKEN = (soundfile.SoundFileError, OSError, ValueError, RuntimeError, MemoryError, OverflowError)


@dataclass(frozen=True)
class AudioItems:
    """Decodes one clip at a time to a fixed rate and length."""

    encoded: Encoded
    rate: int
    time: int  # samples

    def __len__(self) -> int:
        return len(self.encoded)

    def __getitem__(self, row: int) -> Tensor:
        return torch.from_numpy(fitted(decode(self.encoded[row], self.rate), self.time))


def decode(data: bytes, rate: int) -> NDArray[np.float32]:
    """Return an audio file as one channel at this rate, in its own length."""
    head_of(data)
    channels, own_rate = soundfile.read(BytesIO(data), dtype="float32", always_2d=True)
    return resampled(channels.mean(axis=1), own_rate, rate)


def resampled(clip: NDArray[np.float32], own_rate: int, rate: int) -> NDArray[np.float32]:
    """Return the clip at another rate."""
    if own_rate == rate or len(clip) == 0:
        return clip
    shared = math.gcd(own_rate, rate)
    return resample_poly(clip, rate // shared, own_rate // shared).astype(np.float32)


def fitted(clip: NDArray[np.float32], time: int) -> NDArray[np.float32]:
    """Return the clip cut at its end, or padded there with silence."""
    return np.pad(clip[:time], (0, max(0, time - len(clip))))


def decode_all(
    encoded: Encoded,
    options: Options,
    *,
    kind: Kind | None = None,
    prepare: Prepare | None = None,
    folder: Folder | None = None,
) -> Decoded:
    """Decode every clip once: into memory, or when lazy only to see that it can be read."""
    heads = list(alike(in_threads(lambda row: _head(encoded, row), len(encoded), name="headers")))
    sound = [head for head in heads if isinstance(head, Head)]
    if not sound:
        reason = heads[0] if heads else "there is none"
        raise DataError(f"None of the {len(heads)} audio files can be read: {reason}. Give other files.")
    rate, seconds = _frame(sound, options, prepare, folder)
    time = max(round(seconds * rate), 1)
    if time > limits.SOUND_VALUES.value:
        raise ConfigError(
            f"Clips of {seconds:g} s at a rate of {rate:,} have {time:,} values, {limits.SOUND_VALUES}. "
            "Take a lower rate or fewer seconds."
        )
    items = AudioItems(encoded, rate, time)
    lazy = 4 * len(sound) * items.time > LAZY_ABOVE if options.lazy is None else options.lazy
    clips = np.zeros((0 if lazy else len(encoded), items.time), dtype=np.float32)
    bad = {row: head for row, head in enumerate(heads) if isinstance(head, str)}
    bad |= dict(_decoded_into(clips, items, bad))
    rows = good_rows(len(encoded), bad)
    if not len(rows):
        raise DataError(f"None of the {len(heads)} audio files can be used: {bad[0]}. Give other files.")
    chosen: Items = replace(items, encoded=Subset(encoded, rows))
    if prepare is None and folder is not None:
        prepare = Extracted.of(folder, seconds)
    prepare = prepare or _prepare(chosen, options, LogMel.at(rate, seconds))
    return Decoded(
        source=on_disk(chosen, prepare, workers=options.workers)
        if lazy
        else in_memory(torch.from_numpy(clips[rows] if bad else clips), prepare),
        kind=kind or audio_kind(prepare, items.time, rate),
        prepare=prepare,
        rows=rows,
        bad=bad,
        notes=tuple(_notes(sound, rate, seconds)),
        augmentation=prepare.changes() if isinstance(prepare, Extracted) else None,
    )


def audio_kind(prepare: Prepare, time: int, rate: int) -> Kind:
    """Return the kind of clips of `time` samples after this preparation."""
    if isinstance(prepare, Extracted):
        return prepare.kind
    shape = prepare(torch.zeros(1, time)).shape[1:]
    return Kind("audio", tuple(shape), rate=rate)


def _prepare(items: Items, options: Options, bands: LogMel) -> LogMel:
    if options.mean is not None or options.std is not None:
        mean, std = options.mean or (0.0,), options.std or (1.0,)
        return replace(bands, mean=mean[0], std=std[0])
    count = min(FIT_ON, len(items), max(FIT_VALUES // len(items[0]), 1))
    return bands.fitted(torch.stack([items[row] for row in range(count)]))


def rate_of(folder: Folder) -> int:
    """Return the samples per second that the network of a folder hears."""
    return int(folder.extractor.sampling_rate)


@dataclass(frozen=True)
class Head:
    """What a file says of itself."""

    rate: int
    frames: int

    @property
    def seconds(self) -> float:
        return self.frames / self.rate


def head_of(data: bytes) -> Head:
    """Return what a file says of itself, if that is no more than is allowed.

    Raises:
        DataError: it is too long or too fast.
        SoundFileError: it is no sound.
    """
    info = soundfile.info(BytesIO(data))
    if not 0 < info.samplerate <= FASTEST:
        raise DataError(f"{info.samplerate:,} samples a second, at most {FASTEST:,} are read")
    if info.frames > limits.SECONDS.value * info.samplerate:
        raise DataError(f"{info.frames / info.samplerate:,.0f} seconds, {limits.SECONDS}")
    if info.frames * info.channels > limits.SOUND_VALUES.value:
        raise DataError(f"{info.frames * info.channels:,} values, {limits.SOUND_VALUES}")
    return Head(info.samplerate, info.frames)


def _head(encoded: Encoded, row: int) -> Head | str:
    try:
        data = encoded[row]
        if not data:
            return "the file is empty"
        head = head_of(data)
    except BROKEN as error:
        return _reason(error)
    return head if head.frames > 0 else "the clip has no length"


def _reason(error: Exception) -> str:
    if isinstance(error, DataError):
        return str(error)
    told = str(error).rpartition(":")[2].strip().rstrip(".")
    return f"not readable audio ({told or type(error).__name__})"


def _frame(
    heads: list[Head], options: Options, prepare: Prepare | None, folder: Folder | None
) -> tuple[int, float]:
    if isinstance(prepare, LogMel | Extracted):
        return prepare.rate, prepare.seconds
    counts = Counter(head.rate for head in heads)
    most = max(counts.values())
    common = max(rate for rate, count in counts.items() if count == most)
    rate = options.rate or min(common, HIGHEST_RATE)
    if folder is not None:
        rate = rate_of(folder)
        if options.rate not in (None, rate):
            raise ConfigError(f"{folder.path} hears {rate} samples per second. Leave the rate out.")
    ninety_five = float(np.quantile([head.seconds for head in heads], 0.95))
    return rate, options.seconds or max(math.ceil(round(ninety_five * 10, 6)) / 10, 0.1)


def _decoded_into(
    clips: NDArray[np.float32], items: AudioItems, bad: dict[int, str]
) -> Iterator[tuple[int, str]]:
    def fill(row: int) -> str:
        if row in bad:
            return ""
        try:
            clip = decode(items.encoded[row], items.rate)
        except BROKEN as error:
            return _reason(error)
        if len(clips):
            clips[row] = fitted(clip, items.time)
        return _fault(clip[: items.time])

    for row, reason in enumerate(in_threads(fill, len(items), name="read")):
        if reason:
            yield row, reason


def _fault(clip: NDArray[np.float32]) -> str:
    if not np.isfinite(clip).all():
        return "the clip holds NaN or infinite values"
    return "" if clip.any() else "the clip is silent"


def _notes(heads: list[Head], rate: int, seconds: float) -> Iterator[str]:
    others = sum(head.rate != rate for head in heads)
    if others:
        yield f"{others} of {len(heads)} clips were resampled to {rate} Hz."
    longer = sum(head.seconds > seconds + 1e-3 for head in heads)
    shorter = sum(head.seconds < seconds - 1e-3 for head in heads)
    if longer or shorter:
        yield f"Clips were brought to {seconds} s: {longer} cut, {shorter} padded with silence."
