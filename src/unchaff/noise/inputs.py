"""Spoiled inputs with right labels."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unchaff.errors import NoiseError
from unchaff.noise.base import checked_rate, lowest, one_by_one, spoiled
from unchaff.records import Truth
from unchaff.samples import Rows, Samples
from unchaff.streams import Streams

LEVELS: Mapping[str, float] = MappingProxyType({"image": 0.25, "audio": 0.0, "tabular": 1.0})  # by default


@dataclass(frozen=True)
class GaussianInputs:
    """Gaussian noise on exactly `round(rate * n)` raw inputs, the same at every access.

    Images: deviation `level` on the range [0, 1] (default 0.25), cut to the range. Sound: `level` is
    the ratio of the clip's power to that of the noise, in dB (default 0), both up to the last sample that is
    not zero: padding stays silent. Tables: `level` deviations of
    each column (default 1).

    Source: the sound form: raw range, deterministic per id.
    """

    rate: float  # share of the samples, in [0, 1]
    level: float | None = None  # None: the default of the kind

    def __post_init__(self) -> None:
        checked_rate(self.rate)
        if self.level is not None and not math.isfinite(self.level):
            raise NoiseError(f"level must be a finite number, got {self.level}. Write gaussian:0.2:0.25.")

    def __call__(self, clean: Samples, *, streams: Streams) -> tuple[Samples, Truth]:
        """Plant.

        Raises:
            NoiseError: the data are of a kind without numbers to add to, or the level is none of theirs.
        """
        if clean.kind.name not in LEVELS:
            raise NoiseError(
                f"gaussian is for {', '.join(LEVELS)} data, these are {clean.kind}. Use noise of labels."
            )
        if self.level is not None and self.level < 0 and clean.kind.name != "audio":
            raise NoiseError(f"level must be 0 or more, got {self.level}. That of sound, in dB, may be less.")
        hit = lowest(streams.per_id("gaussian", clean.ids), np.arange(len(clean)), self.rate)
        mask, truth = spoiled(clean, hit)
        seeds = streams.seeds("gaussian/draw", clean.ids)
        level = LEVELS[clean.kind.name] if self.level is None else self.level
        change = _Change(clean.kind.name, level, mask, seeds, _column_deviation(clean))
        return clean.altered(change), truth


@dataclass(frozen=True)
class _Change:
    """The noise as a pure function of the row."""

    kind: str
    level: float
    mask: NDArray[np.bool_]
    seeds: NDArray[np.uint64]
    columns: Tensor | None  # deviation of each column of a table

    def __call__(self, rows: Rows, raw: Tensor) -> Tensor:
        return one_by_one(rows, raw, self.mask, self._spoil)

    def _spoil(self, one: Tensor, row: int) -> Tensor:
        draw = np.random.default_rng(int(self.seeds[row]))
        noise = torch.from_numpy(draw.standard_normal(tuple(one.shape), np.float32))
        if self.kind == "audio":
            # Up to the last sample that is not zero: noise in the padding would give it away.
            end = int(one.nonzero()[-1]) + 1 if one.any() else 0
            power = one[:end].float().square().mean().sqrt() * 10 ** (-self.level / 20)
            return torch.cat([one[:end].float() + noise[:end] * power, one[end:].float()])
        if self.kind == "image":
            if one.dtype == torch.uint8:
                return (one.float() + noise * self.level * 255).round().clamp(0, 255).to(torch.uint8)
            return (one + noise * self.level).clamp(0, 1)
        return one + noise * self.level * (1.0 if self.columns is None else self.columns)


def _column_deviation(clean: Samples) -> Tensor | None:
    if clean.kind.name != "tabular":
        return None
    return clean.source.raw(np.arange(len(clean))).double().std(0, correction=0).float()


@dataclass(frozen=True)
class GaussianPublished:
    """Gaussian noise as the published code adds it: after normalisation, cut to [0, 1], new at every access.

    It destroys the images, and what is left can be told by its smallest pixel: for comparison only.
    The network is given mean + deviation times that, so that its own normalisation returns it.

    Source: arXiv 2506.11615.
    """

    rate: float  # share of the samples, in [0, 1]
    sigma: float = 4.5  # after normalisation

    def __post_init__(self) -> None:
        checked_rate(self.rate)
        if not 0 <= self.sigma < math.inf:
            raise NoiseError(f"sigma must be 0 or more, got {self.sigma}. The published value is 4.5.")

    def __call__(self, clean: Samples, *, streams: Streams) -> tuple[Samples, Truth]:
        """Plant.

        Raises:
            NoiseError: the data are no images.
        """
        if clean.kind.name != "image":
            raise NoiseError(f"gaussian-published is for images, the data are {clean.kind}. Use gaussian.")
        hit = lowest(streams.per_id("gaussian", clean.ids), np.arange(len(clean)), self.rate)
        mask, truth = spoiled(clean, hit)
        mean, std = _pixel_moments(clean)
        change = _Fresh(mask, mean, std, self.sigma, streams("gaussian-published"))
        return clean.altered(change, fresh=True), truth


@dataclass(frozen=True)
class _Fresh:
    """Noise that is drawn anew whenever it is asked for, in the order of asking."""

    mask: NDArray[np.bool_]
    mean: Tensor
    std: Tensor
    sigma: float
    generator: torch.Generator

    def __call__(self, rows: Rows, raw: Tensor) -> Tensor:
        plain = raw.float() / 255 if raw.dtype == torch.uint8 else raw.float()
        hit = torch.from_numpy(self.mask[rows])
        noise = torch.randn(plain[hit].shape, generator=self.generator)
        cut = ((plain[hit] - self.mean) / self.std + self.sigma * noise).clamp(0, 1)
        changed = plain.clone()
        changed[hit] = cut * self.std + self.mean
        return changed


def _pixel_moments(clean: Samples) -> tuple[Tensor, Tensor]:
    """Return mean and deviation per channel of the raw images on [0, 1], (c, 1, 1) each."""
    total, square, count = torch.zeros(()), torch.zeros(()), 0
    for start in range(0, len(clean), 1024):
        raw = clean.source.raw(np.arange(start, min(start + 1024, len(clean))))
        plain = raw.double() / 255 if raw.dtype == torch.uint8 else raw.double()
        total, square = total + plain.sum((0, 2, 3)), square + plain.square().sum((0, 2, 3))
        count += plain.numel() // plain.shape[1]
    mean = total / count
    std = (square / count - mean.square()).clamp_min(1e-12).sqrt()
    return mean.float()[:, None, None], std.float()[:, None, None]
