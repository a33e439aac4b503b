"""Inputs that are numbers already: rows of columns, pixels or waveforms."""

import numpy as np
import torch
from numpy.typing import NDArray

from unchaff.data.audio import audio_kind, rate_of, resampled
from unchaff.data.extracted import Extracted
from unchaff.data.images import views_of
from unchaff.data.listing import Decoded, good_rows
from unchaff.data.options import Options
from unchaff.data.prepare import LogMel, Pixels, Plain, Prepare
from unchaff.data.processed import Processed
from unchaff.data.sources import in_memory
from unchaff.errors import DataError
from unchaff.hub import Folder
from unchaff.samples import Kind


def medium_of(x: NDArray[np.generic], options: Options) -> str:
    """Return what an array holds: 2 dimensions are columns (waveforms if a rate is given), more are images.

    Raises:
        DataError: the array is neither.
    """
    if x.dtype.kind not in "iufb":
        raise DataError(f"The inputs are of type {x.dtype}. Numbers are needed; convert them first.")
    if x.ndim == 2:
        return "audio" if options.rate else "tabular"
    if x.ndim in (3, 4):
        return "image"
    raise DataError(
        f"The inputs have shape {x.shape}. Allowed are (n, columns), (n, height, width), "
        "(n, channels, height, width) and (n, height, width, channels)."
    )


def _channels_first(x: NDArray[np.generic]) -> NDArray[np.generic]:
    if x.ndim == 3:
        return x[:, None]
    if x.shape[1] not in (1, 3) and x.shape[3] in (1, 3):
        return x.transpose(0, 3, 1, 2)
    return x


def settle(
    x: NDArray[np.generic],
    medium: str,
    options: Options,
    *,
    kind: Kind | None = None,
    prepare: Prepare | None = None,
    folder: Folder | None = None,
) -> Decoded:
    """Leave out rows that are not finite as 32-bit numbers, and choose the preparation."""
    x = _channels_first(x) if medium == "image" else x
    if medium != "image" or x.dtype != np.uint8:
        with np.errstate(over="ignore"):  # what is too large becomes infinite
            x = x.astype(np.float32, copy=False)
    finite = np.isfinite(x).reshape(len(x), -1).all(axis=1)
    bad = {int(row): "holds NaN, infinite values or numbers beyond 3.4e38" for row in np.flatnonzero(~finite)}
    if medium == "audio":
        silent = finite & ~x.any(axis=1)
        bad |= {int(row): "the clip is silent" for row in np.flatnonzero(silent)}
    rows = good_rows(len(x), bad)
    if not len(rows):
        raise DataError(
            f"All {len(x)} rows hold NaN, infinite values, numbers beyond 3.4e38 or silence. Give other data."
        )
    raw = torch.from_numpy(x[rows])
    if folder is not None and medium == "image":
        raw, prepare = _processed(raw, Processed(folder))
    elif folder is not None:
        raw = _resampled(raw, options.rate, rate_of(folder))
        prepare = prepare or Extracted.of(folder, raw.shape[1] / rate_of(folder))
    prepare = prepare or _prepare(raw, medium, options)
    kind = kind or _kind(raw, medium, options, prepare)
    if medium != "audio":
        check_shape(tuple(raw.shape[1:]), kind)
    return Decoded(
        source=in_memory(raw, prepare),
        kind=kind,
        prepare=prepare,
        rows=rows,
        bad=bad,
        augmentation=prepare.changes() if isinstance(prepare, Extracted) else None,
    )


def _resampled(raw: torch.Tensor, own_rate: int | None, rate: int) -> torch.Tensor:
    if own_rate in (None, rate):
        return raw
    return torch.from_numpy(np.stack([resampled(clip, int(own_rate or rate), rate) for clip in raw.numpy()]))


def _processed(raw: torch.Tensor, processed: Processed) -> tuple[torch.Tensor, Prepare]:
    """Return images as bytes in the size of a model folder; floats are taken to be in [0, 1].

    Raises:
        DataError: they have other channels than the network takes.
    """
    channels = processed.shape[0]
    if raw.shape[1] == 1 and channels == 3:
        raw = raw.expand(-1, 3, -1, -1)
    if raw.shape[1] != channels:
        raise DataError(
            f"The images have {raw.shape[1]} channels, and {processed.folder.path} takes {channels}. "
            "Give images of as many."
        )
    pixels = raw if raw.dtype == torch.uint8 else (raw.clamp(0, 1) * 255).round().to(torch.uint8)
    made = [torch.from_numpy(processed(image)) for image in pixels.numpy()]
    return torch.stack(made), processed.prepare


def _kind(raw: torch.Tensor, medium: str, options: Options, prepare: Prepare) -> Kind:
    shape = tuple(raw.shape[1:])
    if medium == "audio" and isinstance(prepare, LogMel | Extracted):
        return audio_kind(prepare, raw.shape[1], prepare.rate)
    return Kind(medium, shape, views_of(shape, options) if medium == "image" else ("plain",))


def check_shape(shape: tuple[int, ...], kind: Kind) -> None:
    """Refuse inputs of another shape than those of the training data.

    Raises:
        DataError: they are.
    """
    if shape != kind.shape:
        raise DataError(
            f"Inputs have shape {shape}, the training data {kind.shape}. Give both the same shape."
        )


def _prepare(raw: torch.Tensor, medium: str, options: Options) -> Prepare:
    if medium == "audio":
        rate = options.rate or 16000
        return LogMel.at(rate, raw.shape[1] / rate).fitted(raw[:256])
    if medium == "image":
        return Pixels(options.mean, options.std)
    return Plain(options.mean, options.std)
