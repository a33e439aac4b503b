"""Where inputs come from: one tensor in memory, or files decoded on access by worker processes."""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from unchaff.data.loader import Items, decoded, stacked
from unchaff.data.prepare import Plain, Prepare
from unchaff.samples import Change, Rows, Source

CPU = torch.device("cpu")
CHUNK = 512  # samples handled at once when a whole source is gone through


@dataclass(frozen=True)
class _Layer:
    """A change, and the number each of our rows had when the change was laid on."""

    change: Change
    rows: Rows


def _changed(layers: tuple[_Layer, ...], rows: Rows, raw: Tensor) -> Tensor:
    for layer in layers:
        raw = layer.change(layer.rows[rows], raw)
    return raw


def _narrowed(layers: tuple[_Layer, ...], rows: Rows) -> tuple[_Layer, ...]:
    return tuple(_Layer(layer.change, layer.rows[rows]) for layer in layers)


def chunks_of(count: int, size: int = CHUNK) -> Iterator[Rows]:
    """Yield the rows 0 to `count`, some at a time."""
    for start in range(0, count, size):
        yield np.arange(start, min(start + size, count))


class _Held:
    """Raw inputs in memory and, once asked for and if dear, the prepared ones."""

    def __init__(self, inputs: Tensor, prepare: Prepare, features: Tensor | None = None) -> None:
        self.inputs = inputs
        self.prepare = prepare
        self._given = features

    @cached_property
    def features(self) -> Tensor:
        """All prepared inputs, computed at the first call."""
        if self._given is not None:
            return self._given
        return torch.cat([self.prepare(self.inputs[rows]) for rows in chunks_of(len(self.inputs))])

    def to(self, device: torch.device | str) -> "_Held":
        """Return a copy whose prepared inputs arrive on this device."""
        features = self.features.to(device) if self.prepare.dear else None
        # Dear preparations never look at the raw inputs again on the device.
        return _Held(self.inputs if self.prepare.dear else self.inputs.to(device), self.prepare, features)


@dataclass(frozen=True)
class InMemory:
    """All raw inputs in one tensor. Selecting shares it; nothing is copied.

    Prepared inputs are kept when they are dear (log-mel) and made batch by batch when cheap (pixels).
    """

    held: _Held
    rows: Rows  # ours among the held
    device: torch.device
    layers: tuple[_Layer, ...] = ()
    in_memory = True  # no field, which a frozen class would make read-only and so no Source

    def read(self, batches: Iterable[Rows]) -> Iterator[Tensor]:
        """Yield the prepared inputs of each batch."""
        for rows in batches:
            if self.layers:
                yield self.held.prepare(self.raw(rows)).to(self.device)
                continue
            places = torch.from_numpy(self.rows[rows]).to(self.device)
            if self.held.prepare.dear:
                yield self.held.features[places]
            else:
                yield self.held.prepare(self.held.inputs[places])

    def raw(self, rows: Rows) -> Tensor:
        """Return inputs as stored, in the computer's own memory."""
        places = torch.from_numpy(self.rows[rows]).to(self.held.inputs.device)
        return _changed(self.layers, rows, self.held.inputs[places].cpu())

    def altered(self, change: Change, *, fresh: bool = False) -> "InMemory":
        """Return a source with changed raw inputs: changed now, or at every access if `fresh`."""
        if fresh or self.layers:
            layer = _Layer(change, np.arange(len(self.rows)))
            return replace(self, layers=(*self.layers, layer))
        inputs = torch.cat([change(rows, self.raw(rows)) for rows in chunks_of(len(self.rows))])
        return in_memory(inputs, self.held.prepare).to(self.device)

    def select(self, rows: Rows) -> "InMemory":
        """Return the source of these rows; it shares the tensor."""
        return replace(self, rows=self.rows[rows], layers=_narrowed(self.layers, rows))

    def to(self, device: torch.device | str) -> "InMemory":
        """Return the source with its tensor, and its batches, on this device."""
        device = torch.device(device)
        return self if device == self.device else replace(self, held=self.held.to(device), device=device)


def in_memory(inputs: Tensor, prepare: Prepare) -> InMemory:
    """Return the source of a tensor of raw inputs, one row a sample; the tensor is not copied."""
    return InMemory(_Held(inputs, prepare), np.arange(len(inputs)), inputs.device)


def joined(sources: "list[InMemory | OnDisk]") -> InMemory:
    """Return sources of the same preparation as one, in memory."""
    first = sources[0]
    prepare = first.held.prepare if isinstance(first, InMemory) else first.prepare
    return in_memory(torch.cat([each.raw(np.arange(len(each.rows))) for each in sources]), prepare)


@dataclass(frozen=True)
class OnDisk:
    """Inputs decoded on access by worker processes, one batch ahead each.

    Changes and preparation run here and not in the workers, with the code that serves memory.
    """

    items: Items
    prepare: Prepare
    rows: Rows  # ours among the items
    workers: int = 2  # 0: decode in this process
    device: torch.device = CPU
    layers: tuple[_Layer, ...] = ()
    in_memory = False

    def read(self, batches: Iterable[Rows]) -> Iterator[Tensor]:
        """Yield the prepared inputs of each batch."""
        begun: deque[Rows] = deque()

        def asked() -> Iterator[Rows]:
            for rows in batches:
                begun.append(rows)
                yield self.rows[rows]

        for raw in decoded(self.items, asked(), self.workers):
            yield self.prepare(_changed(self.layers, begun.popleft(), raw)).to(self.device)

    def raw(self, rows: Rows) -> Tensor:
        """Return inputs as stored, in the computer's own memory."""
        return _changed(self.layers, rows, torch.from_numpy(stacked(self.items, self.rows[rows])))

    def altered(self, change: Change, *, fresh: bool = False) -> "OnDisk":
        """Return a source that makes this change at every access."""
        layer = _Layer(change, np.arange(len(self.rows)))
        return replace(self, layers=(*self.layers, layer))

    def select(self, rows: Rows) -> "OnDisk":
        """Return the source of these rows."""
        return replace(self, rows=self.rows[rows], layers=_narrowed(self.layers, rows))

    def to(self, device: torch.device | str) -> "OnDisk":
        """Return the source with its batches arriving on this device."""
        return replace(self, device=torch.device(device))


def prepare_of(source: Source) -> Prepare:
    """Return how a source prepares its inputs; one that is not ours gives them as it does."""
    if isinstance(source, InMemory):
        return source.held.prepare
    return source.prepare if isinstance(source, OnDisk) else Plain()


def on_disk(items: Items, prepare: Prepare, *, workers: int = 2) -> OnDisk:
    """Return the source of items that are decoded on access."""
    return OnDisk(items, prepare, np.arange(len(items)), workers)
