"""From inputs as stored to inputs as a network takes them; saved with the model."""

import math
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from typing import Any, ClassVar, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor


@runtime_checkable
class Prepare(Protocol):
    """Turns a batch of raw inputs into network inputs, each sample by itself."""

    dear: ClassVar[bool]  # worth computing once and keeping

    def __call__(self, raw: Tensor) -> Tensor:
        """Return the prepared batch, on the device of the raw one."""
        ...

    def to_json(self) -> dict[str, Any]:
        """Return what `from_json` needs to rebuild it."""
        ...


def _per_channel(values: tuple[float, ...], batch: Tensor) -> Tensor:
    shape = (-1,) + (1,) * (batch.dim() - 2)
    return torch.tensor(values, dtype=torch.float32, device=batch.device).reshape(shape)


def _standardised(batch: Tensor, mean: tuple[float, ...] | None, std: tuple[float, ...] | None) -> Tensor:
    if mean is not None:
        batch = batch - _per_channel(mean, batch)
    if std is not None:
        batch = batch / _per_channel(std, batch)
    return batch


@dataclass(frozen=True)
class Pixels:
    """Bytes to [0, 1], then standardised per channel; floats are taken to be on that scale already."""

    mean: tuple[float, ...] | None = None  # per channel, on the scale of [0, 1]
    std: tuple[float, ...] | None = None
    dear: ClassVar[bool] = False

    def __call__(self, raw: Tensor) -> Float[Tensor, "b c h w"]:
        batch = raw.float() / 255 if raw.dtype == torch.uint8 else raw.float()
        return _standardised(batch, self.mean, self.std)

    def to_json(self) -> dict[str, Any]:
        return {"kind": "pixels", **asdict(self)}


@dataclass(frozen=True)
class Plain:
    """Rows of numbers, standardised per column where mean and deviation are given."""

    mean: tuple[float, ...] | None = None  # per column
    std: tuple[float, ...] | None = None
    dear: ClassVar[bool] = False

    def __call__(self, raw: Tensor) -> Float[Tensor, " b *features"]:
        return _standardised(raw.float(), self.mean, self.std)

    def to_json(self) -> dict[str, Any]:
        return {"kind": "plain", **asdict(self)}


@dataclass(frozen=True)
class AsIs:
    """Nothing: the network takes inputs as they are stored."""

    dear: ClassVar[bool] = False

    def __call__(self, raw: Tensor) -> Tensor:
        return raw

    def to_json(self) -> dict[str, Any]:
        return {"kind": "as-is"}


@dataclass(frozen=True)
class LogMel:
    """Logarithm of the power in mel bands, as an image (1, n_mels, frames).

    Bands are triangles of height 1, spaced evenly on the HTK mel scale from 0 to half the rate.
    The window is shorter than the transform, so that even the lowest band holds several bins.
    """

    rate: int  # samples per second
    seconds: float  # length every clip was brought to
    n_mels: int = 64
    n_fft: int = 1024
    hop: int = 160  # samples between frames
    window: int = 400  # samples under the Hann window
    mean: float = 0.0  # of the logarithms, taken off
    std: float = 1.0  # of the logarithms, divided by
    dear: ClassVar[bool] = True

    @classmethod
    def at(cls, rate: int, seconds: float) -> "LogMel":
        """Return the usual 25 ms window every 10 ms, for this rate."""
        n_fft = 2 ** math.ceil(math.log2(max(rate / 16, 64)))
        window = max(round(0.025 * rate), 16)
        return cls(rate=rate, seconds=seconds, n_fft=n_fft, hop=max(round(rate / 100), 1), window=window)

    def fitted(self, raw: Float[Tensor, "b time"]) -> "LogMel":
        """Return the same bands with mean and deviation taken from these clips."""
        logs = replace(self, mean=0.0, std=1.0)(raw).double()
        deviation = float(logs.std()) if logs.numel() > 1 else 1.0
        return replace(self, mean=round(float(logs.mean()), 3), std=max(round(deviation, 3), 1e-3))

    def frames(self, time: int) -> int:
        """Return the number of frames of a clip of `time` samples."""
        return 1 + time // self.hop

    def __call__(self, raw: Float[Tensor, "b time"]) -> Float[Tensor, "b 1 mels frames"]:
        hann = torch.hann_window(self.window, device=raw.device)
        spectrum = torch.stft(
            raw.float(), self.n_fft, self.hop, self.window, hann, pad_mode="constant", return_complex=True
        )
        bands = _mel_bands(self.rate, self.n_fft, self.n_mels).to(raw.device)
        # One product per clip, so that its numbers do not depend on who is in the batch with it.
        mels = [bands @ power for power in spectrum.abs().square()]
        return ((torch.stack(mels)[:, None] + 1e-6).log() - self.mean) / self.std

    def to_json(self) -> dict[str, Any]:
        return {"kind": "logmel", **asdict(self)}


@lru_cache(maxsize=8)
def _mel_bands(rate: int, n_fft: int, n_mels: int) -> Float[Tensor, "mels bins"]:
    top = 2595 * math.log10(1 + rate / 2 / 700)
    mels = torch.linspace(0, top, n_mels + 2, dtype=torch.float64)
    edges = 700 * (10 ** (mels / 2595) - 1)  # Hz
    bins = torch.linspace(0, rate / 2, n_fft // 2 + 1, dtype=torch.float64)
    rise = (bins - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    fall = (edges[2:, None] - bins) / (edges[2:] - edges[1:-1])[:, None]
    return torch.minimum(rise, fall).clamp(min=0).float()
