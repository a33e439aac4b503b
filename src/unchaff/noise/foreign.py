"""Foreign spans in inputs whose labels are right: patches of pictures, stretches of sound, words in texts."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from unchaff.errors import NoiseError
from unchaff.noise.base import checked_rate, lowest, one_by_one, spoiled
from unchaff.records import Truth
from unchaff.samples import Ids, Rows, Samples
from unchaff.streams import Streams

KINDS = ("image", "audio", "text")


@dataclass(frozen=True)
class ForeignSpans:
    """One foreign span in exactly `round(rate * n)` inputs, the same at every access.

    Pictures: a square of `share` of the area, half of them of random pixels, half of a board of two random
    colours. Sound: a stretch of `share` of the clip, half of them of white noise, half of a buzz of random
    pitch, as loud as the clip. Texts: a run of `share` of the words, each drawn from all words there are.

    Source: the kinds of span are ours; Krishna et al., arXiv 2212.09928, insert spans into documents.
    """

    rate: float  # share of the samples, in [0, 1]
    share: float = 0.15  # of an input, in (0, 1)

    def __post_init__(self) -> None:
        checked_rate(self.rate)
        if not 0 < self.share < 1:
            raise NoiseError(f"share must be in (0, 1), got {self.share}. Write foreign:1:0.25.")

    def __call__(self, clean: Samples, *, streams: Streams) -> tuple[Samples, Truth]:
        """Plant.

        Raises:
            NoiseError: the data have no places.
        """
        if clean.kind.name not in KINDS or clean.kind.layout is not None:
            raise NoiseError(
                f"foreign is for images, sound and texts, the data are {clean.kind}. Use gaussian."
            )
        mask, truth = spoiled(clean, self.hit(clean.ids, streams))
        seeds = streams.seeds("foreign/draw", clean.ids)
        places = self.places(clean, streams)
        words = _words(clean) if clean.kind.name == "text" else None
        return clean.altered(_Change(clean.kind.name, mask, seeds, places, words)), truth

    def hit(self, ids: Ids, streams: Streams) -> Rows:
        """Return the rows that get a span."""
        return lowest(streams.per_id("foreign", ids), np.arange(len(ids)), self.rate)

    def places(self, clean: Samples, streams: Streams) -> NDArray[np.float64]:
        """Return where the span of each input would lie (n, 4): top, bottom, left, right, as shares of it."""
        side = math.sqrt(self.share) if clean.kind.name == "image" else self.share
        top, left = (streams.per_id(f"foreign/{name}", clean.ids) * (1 - side) for name in ("top", "left"))
        if clean.kind.name != "image":
            top, high = np.zeros(len(clean)), 1.0
        else:
            high = side
        return np.stack([top, top + high, left, left + side], axis=1)


def masks(
    places: Float[NDArray[np.float64], "n 4"], rows: int, columns: int
) -> Float[Tensor, "n rows columns"]:
    """Return which share of each cell of a grid over each input lies under its span."""

    def overlap(first: NDArray[np.float64], end: NDArray[np.float64], count: int) -> NDArray[np.float64]:
        edges = np.arange(count + 1) / count
        shared = np.minimum(end[:, None], edges[1:]) - np.maximum(first[:, None], edges[:-1])
        return shared.clip(0) * count

    down, across = overlap(places[:, 0], places[:, 1], rows), overlap(places[:, 2], places[:, 3], columns)
    return torch.from_numpy(down[:, :, None] * across[:, None, :]).float()


@dataclass(frozen=True)
class _Change:
    """The span as a pure function of the row."""

    kind: str
    mask: NDArray[np.bool_]
    seeds: NDArray[np.uint64]
    places: NDArray[np.float64]
    words: Tensor | None

    def __call__(self, rows: Rows, raw: Tensor) -> Tensor:
        return one_by_one(rows, raw, self.mask, self._spoil)

    def _spoil(self, one: Tensor, row: int) -> Tensor:
        draw, place, changed = np.random.default_rng(int(self.seeds[row])), self.places[row], one.clone()
        if self.kind == "text":
            held = int((one != 0).sum())
            first = round(place[2] * held)
            count = max(1, round((place[3] - place[2]) * held))
            where = draw.integers(0, len(self.words), count)  # type: ignore[arg-type]
            foreign = self.words[torch.from_numpy(where)]  # type: ignore[index]
            return torch.cat([one[:first], foreign.to(one), one[first:]])[: len(one)]
        left, right = _between(place[2], place[3], one.shape[-1])
        if self.kind == "audio":
            changed[..., left:right] = _sound(one, right - left, draw).to(one)
            return changed
        top, bottom = _between(place[0], place[1], one.shape[-2])
        patch = _patch(one.shape[0], bottom - top, right - left, draw)
        changed[:, top:bottom, left:right] = (
            (patch * 255).round().to(one) if one.dtype == torch.uint8 else patch
        )
        return changed


def _between(first: float, end: float, side: int) -> tuple[int, int]:
    start = min(round(first * side), side - 1)
    return start, max(start + 1, min(side, round(end * side)))


def _patch(channels: int, rows: int, columns: int, draw: np.random.Generator) -> Tensor:
    """Return random pixels, or a board of two colours, on [0, 1]."""
    if draw.random() < 0.5:
        return torch.from_numpy(draw.random((channels, rows, columns))).float()
    size, colours = int(draw.integers(1, 4)), draw.random((2, channels, 1, 1))
    board = (np.arange(rows)[:, None] // size + np.arange(columns) // size) % 2
    return torch.from_numpy(np.where(board, colours[0], colours[1])).float()


def _sound(one: Tensor, count: int, draw: np.random.Generator) -> Tensor:
    """Return white noise, or a buzz of one pitch, as loud as the clip."""
    loud = float(one.float().square().mean().sqrt()) or 0.1
    if draw.random() < 0.5:
        return torch.from_numpy(draw.standard_normal(count)).float() * loud
    period = int(draw.integers(20, 200))  # samples
    wave = (np.arange(count) % period < period // 2) * 2.0 - 1.0
    return torch.from_numpy(wave).float() * loud


def _words(clean: Samples) -> Tensor:
    known = clean.source.raw(np.arange(len(clean))).unique()
    return known[known > 1]  # neither padding nor the unknown word
