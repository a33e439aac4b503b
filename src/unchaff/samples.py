"""What a method may see of the data: ids, inputs and given labels, in canonical order."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Int, Shaped
from numpy.typing import NDArray
from torch import Tensor

from unchaff.errors import DataError
from unchaff.packing import Layout

AT_ONCE = 32 * 1024**2  # bytes of a batch of inputs that are decoded on access, once prepared
HELD_AT_ONCE = 256 * 1024**2  # the same where all inputs are in memory anyway
Ids = NDArray[np.generic]  # int64 or unicode, unique
Rows = NDArray[np.int64]  # positions in a Samples, never shown to a user
Augmentation = Callable[
    [Tensor, torch.Generator], Tensor
]  # a prepared batch -> another that keeps its labels
Change = Callable[[Rows, Tensor], Tensor]  # (rows, raw inputs) -> raw inputs, a pure function of the row


@dataclass(frozen=True)
class Kind:
    """What one sample is, and which deterministic views of it leave the label right."""

    name: str  # "image", "audio", "text", "tabular", or "packed": several tensors
    shape: tuple[int, ...]  # of one prepared input, without the batch: (channels, height, width), (features,)
    views: tuple[str, ...] = ("plain",)  # "plain", and "mirror" where left and right do not matter
    rate: int | None = None  # samples per second of audio, else None
    layout: Layout | None = None  # of packed inputs, else None
    pad: int | None = None  # number that stands for nothing in a text, else None

    def mask(self, inputs: Tensor) -> Tensor | None:
        """Return which places of each sequence hold something (b, length); None: not sequences, or all."""
        if self.pad is not None:
            return inputs != self.pad
        return None if self.layout is None else self.layout.mask(inputs)

    def __str__(self) -> str:
        if self.name == "packed":
            return f"{self.layout}"
        if self.name == "text" and self.layout is None:
            return f"text of up to {self.shape[0]} words"
        size = "x".join(str(side) for side in self.shape) if self.layout is None else f"({self.layout})"
        return f"{self.name} {size}" + (f" from {self.rate} Hz sound" if self.rate else "")


UNTAGGED = -1  # of a place that holds no word, or a further piece of one


@dataclass(frozen=True)
class Tags:
    """One tag for each word of each text, such as the slots of a request."""

    names: tuple[str, ...]
    numbers: Int[Tensor, "n length"]  # by the places of the prepared inputs; UNTAGGED where there is none

    def at(self, rows: Rows) -> "Tags":
        """Return those of the samples at these positions."""
        return replace(self, numbers=self.numbers[torch.from_numpy(rows).to(self.numbers.device)])

    def to(self, device: torch.device | str) -> "Tags":
        """Return the same tags on this device."""
        return replace(self, numbers=self.numbers.to(device))


@dataclass(frozen=True)
class Batch:
    """Some samples, ready for a network."""

    ids: Ids
    rows: Rows  # their positions in the Samples they come from
    inputs: Tensor
    labels: Int[Tensor, " b"]
    tags: Int[Tensor, "views length"] | None = None  # of the words of each, or of each of its views


@runtime_checkable
class Source(Protocol):
    """Where inputs come from: memory, or files decoded on access."""

    in_memory: bool

    def read(self, batches: Iterable[Rows]) -> Iterator[Tensor]:
        """Yield the prepared inputs of each batch of rows, in the given order."""
        ...

    def raw(self, rows: Rows) -> Tensor:
        """Return inputs as stored: uint8 images (b, c, h, w), float waveforms (b, time), float rows."""
        ...

    def altered(self, change: Change, *, fresh: bool = False) -> "Source":
        """Return a source whose raw inputs passed through `change`; `fresh`: again at every access."""
        ...

    def select(self, rows: Rows) -> "Source":
        """Return the source of these rows."""
        ...

    def to(self, device: torch.device | str) -> "Source":
        """Return the source with its prepared inputs on this device."""
        ...


@dataclass(frozen=True, kw_only=True)
class Samples:
    """A data set with given labels, sorted by id.

    Sorting at entry is what makes every result independent of the order the data came in: all sums
    run in this order, and the inputs lie in memory or are decoded on access (`source`).
    """

    ids: Ids
    labels: Int[Tensor, " n"]
    class_names: tuple[str, ...]
    kind: Kind
    source: Source
    groups: Ids | None = None  # speaker or patient: never on both sides of a hold-out
    texts: NDArray[np.object_] | None = None  # of texts, to show them
    columns: tuple[str, ...] = ()  # names of the columns of a table, to show them; empty where not known
    augmentation: Augmentation | None = None  # how training changes a batch; None: as its kind allows
    tags: Tags | None = None  # of the words of texts, where there are any

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def num_classes(self) -> int:
        """Number of classes a network for these samples has to tell apart."""
        return len(self.class_names)

    @property
    def device(self) -> torch.device:
        """Where batches arrive."""
        return self.labels.device

    def at_once(self, size: int) -> int:
        """Return how many samples to look at at once: `size`, or fewer large ones.

        So that a batch stays small whatever its samples are: a network needs room for it many times over.
        """
        room = HELD_AT_ONCE if self.source.in_memory else AT_ONCE
        return max(1, min(size, room // (4 * math.prod(self.kind.shape))))

    def batches(self, size: int, order: Int[Tensor, " m"] | None = None) -> Iterator[Batch]:
        """Yield prepared batches of at most `size` samples.

        Args:
            size: samples per batch; the last one may be smaller.
            order: rows to read, in this order; all rows in canonical order by default.
        """
        rows = np.arange(len(self)) if order is None else order.cpu().numpy()

        def chunks() -> Iterator[Rows]:
            return (rows[start : start + size] for start in range(0, len(rows), size))

        for chunk, inputs in zip(chunks(), self.source.read(chunks()), strict=True):
            labels = self.labels[torch.from_numpy(chunk).to(self.device)]
            tags = None if self.tags is None else self.tags.at(chunk).numbers
            yield Batch(ids=self.ids[chunk], rows=chunk, inputs=inputs, labels=labels, tags=tags)

    def rows_of(self, ids: Ids) -> Rows:
        """Return the positions of these ids, in canonical order.

        Raises:
            DataError: if an id is not here.
        """
        rows = np.searchsorted(self.ids, np.sort(ids))
        inside = rows < len(self)
        if not (inside.all() and (self.ids[rows] == np.sort(ids)).all()):
            missing = np.setdiff1d(ids, self.ids)
            raise DataError(f"{len(missing)} ids are not in the data, the first is {missing[0].item()!r}.")
        return rows

    def select(self, ids: Ids) -> "Samples":
        """Return the samples with these ids, in canonical order."""
        return self.at(self.rows_of(ids))

    def at(self, rows: Rows) -> "Samples":
        """Return the samples at these sorted positions."""
        return replace(
            self,
            ids=self.ids[rows],
            labels=self.labels[torch.from_numpy(rows).to(self.device)],
            source=self.source.select(rows),
            groups=None if self.groups is None else self.groups[rows],
            texts=None if self.texts is None else self.texts[rows],
            tags=None if self.tags is None else self.tags.at(rows),
        )

    def relabel(self, labels: Shaped[Tensor, " n"]) -> "Samples":
        """Return the same samples with other given labels."""
        return replace(self, labels=labels.to(self.labels))

    def altered(self, change: Change, *, fresh: bool = False) -> "Samples":
        """Return the same samples with other raw inputs."""
        return replace(self, source=self.source.altered(change, fresh=fresh))

    def to(self, device: torch.device | str) -> "Samples":
        """Return the same samples with batches arriving on this device."""
        tags = None if self.tags is None else self.tags.to(device)
        return replace(self, labels=self.labels.to(device), source=self.source.to(device), tags=tags)


def canonical(
    ids: Sequence[int] | Sequence[str] | Ids,
    labels: Int[Tensor, " n"],
    *,
    class_names: tuple[str, ...],
    kind: Kind,
    source: Source,
    groups: Ids | None = None,
) -> Samples:
    """Sort by id and check once, at the edge, what all later stages rely on.

    Raises:
        DataError: ids repeated; no samples; a label outside the classes.
    """
    ids = np.asarray(ids)
    if len(ids) == 0:
        raise DataError("The data holds no samples. Give at least two classes with one sample each.")
    unique, counts = np.unique(ids, return_counts=True)
    if len(unique) < len(ids):
        raise DataError(
            f"The id {unique[counts > 1][0].item()!r} occurs {counts.max()} times. Ids must be unique; "
            "name another column with --id-column or leave it out to number the rows."
        )
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= len(class_names):
        raise DataError(
            f"Labels run from {low} to {high}, but there are {len(class_names)} classes (0 to "
            f"{len(class_names) - 1}). Correct the labels or the class names."
        )
    rows = np.argsort(ids, kind="stable")
    samples = Samples(
        ids=ids,
        labels=labels.long(),
        class_names=class_names,
        kind=kind,
        source=source,
        groups=groups,
    )
    return samples.at(rows)
