"""What inputs say before a network learned them by heart: the words of a text, the columns of a row.

The early layers of a network for pictures or sound must serve all samples alike, and memorise little. The
word vectors of a text network and the first layer of one for columns have room for every sample, wrong
labels included; their inputs are simple enough to be read without them.
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from unchaff.packing import Layout
from unchaff.samples import Kind, Samples
from unchaff.streams import Streams

MOST = 1024  # words that are looked for, or numbers by name that are columns: longer ones are a signal
MIXED = 128  # random features of columns
BATCH = 4096


@runtime_checkable
class Reader(Protocol):
    """Turns a batch of inputs into features."""

    def read(self, inputs: Tensor) -> Float[Tensor, "b d"]:
        """Return the features of each sample."""
        ...


def reader_of(samples: Samples) -> Reader:
    """Return what reads inputs that are `readable`."""
    return Frequent.of(samples) if samples.kind.name == "text" else Columns.of(samples)


def readable(kind: Kind) -> bool:
    """Return whether inputs are words or columns."""
    return are_columns(kind) or (kind.name == "text" and kind.layout is None)


def are_columns(kind: Kind) -> bool:
    """Return whether inputs are columns, of a table or a few numbers that are given by name."""
    if kind.layout is None:
        return kind.name == "tabular"
    parts = kind.layout.parts
    flat = all(part.dtype.is_floating_point and len(part.shape) < 2 for part in parts)
    return kind.name == "packed" and flat and sum(math.prod(part.shape) for part in parts) <= MOST


@dataclass(frozen=True)
class Frequent:
    """Which of the words that occur in most texts a text holds."""

    places: Int[Tensor, " numbers"]  # of each word number among the frequent; `size` or above: none
    size: int  # frequent words, at most `MOST`

    @classmethod
    def of(cls, samples: Samples) -> "Frequent":
        """Count in how many texts each number occurs; what stands for nothing is left out."""
        counts = torch.zeros(0, dtype=torch.long, device=samples.device)
        for batch in samples.batches(BATCH):
            numbers = batch.inputs.long().sort(dim=1).values
            first = torch.ones_like(numbers, dtype=torch.bool)
            first[:, 1:] = numbers[:, 1:] != numbers[:, :-1]
            found = torch.bincount(numbers[first], minlength=len(counts))
            found[: len(counts)] += counts
            counts = found
        if samples.kind.pad is not None and samples.kind.pad < len(counts):
            counts[samples.kind.pad] = 0
        order = counts.argsort(descending=True, stable=True)
        places = torch.empty_like(order)
        places[order] = torch.arange(len(order), device=order.device)
        size = min(MOST, int((counts > 0).sum()))
        return cls(places.clamp(max=size), size)

    def read(self, inputs: Int[Tensor, "b length"]) -> Float[Tensor, "b words"]:
        """Return 1 where a text holds a word, else 0; a number that was never counted is none."""
        known = inputs.long().clamp(max=len(self.places))
        places = torch.cat([self.places, self.places.new_tensor([self.size])])
        held = torch.zeros(len(inputs), self.size + 1, device=inputs.device)
        return held.scatter_(1, places[known], 1.0)[:, : self.size]


@dataclass(frozen=True)
class Columns:
    """The columns themselves, and random waves over them, so that a linear read-out can bend.

    Source: random Fourier features, Rahimi and Recht, NIPS 2007; as wide as the data (the square root of
    the number of columns, in deviations).
    """

    mean: Float[Tensor, " columns"]
    scale: Float[Tensor, " columns"]  # one over the deviation; 0 where a column never changes
    layout: Layout | None = None  # of numbers that are given by name

    @classmethod
    def of(cls, samples: Samples) -> "Columns":
        """Measure the columns."""
        first, second = torch.zeros(()), torch.zeros(())
        for batch in samples.batches(BATCH):
            wide = _flat(batch.inputs, samples.kind.layout).double().cpu()
            first, second = first + wide.sum(0), second + wide.square().sum(0)
        mean = first / len(samples)
        deviation = (second / len(samples) - mean.square()).clamp_min(0).sqrt()
        moves = deviation > 1e-6 * mean.abs().clamp_min(1)
        scale = torch.where(moves, 1 / deviation, 0)
        device = samples.device
        return cls(mean.float().to(device), scale.float().to(device), samples.kind.layout)

    def read(self, inputs: Tensor) -> Float[Tensor, "b d"]:
        """Return the columns in deviations, and the waves."""
        standard = (_flat(inputs, self.layout).float() - self.mean) * self.scale
        directions, shifts = (each.to(inputs.device) for each in _waves(len(self.mean)))
        return torch.cat([standard, torch.cos(standard @ directions + shifts)], dim=1)


def _flat(inputs: Tensor, layout: Layout | None) -> Tensor:
    if layout is None:
        return inputs.flatten(1)
    return torch.cat([each.reshape(len(inputs), -1) for each in layout.unpack(inputs).values()], dim=1)


@lru_cache(maxsize=8)
def _waves(columns: int) -> tuple[Float[Tensor, "columns waves"], Float[Tensor, " waves"]]:
    """Return fixed directions and shifts."""
    generator = Streams(columns)("waves")
    directions = torch.randn(columns, MIXED, generator=generator) / columns**0.5
    return directions, 2 * math.pi * torch.rand(MIXED, generator=generator)
