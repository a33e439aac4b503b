"""One walk over the data that all attributors share: what layers read, and what the network says."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property, lru_cache

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from unchaff import progress
from unchaff.attribute.chunks import Chunk, OnDisk, fit_on_disk
from unchaff.attribute.inputs import Reader, readable, reader_of
from unchaff.nets import flops
from unchaff.nets.hooks import ended_before, in_eval_mode, read_inputs
from unchaff.nets.looking import looked_at
from unchaff.nets.taps import Layer, points_of
from unchaff.records import Cost
from unchaff.samples import Batch, Kind, Samples
from unchaff.streams import Streams
from unchaff.train.augment import view

REMEMBERED = 2 * 1024**3  # bytes of chunks that are held from one walk to the next; more go to the disk
MAX_FEATURES = 512  # per reading point, after pooling
MAX_POINTS = 10  # of deep networks every second, third ... point is read


@dataclass
class Walk:
    """Yields chunks in canonical order, as often as asked.

    What was seen is remembered: of samples in memory there, if it is not too much, else in a file, so that
    nothing of the size of the data is ever held. What is too much for the disk is walked anew each time.
    """

    model: nn.Module
    samples: Samples
    depth: float  # share of the reading points to use, from the input on; 1: all
    name: str = "score"
    views: tuple[str, ...] | None = None  # None: all that leave the label right
    hears: bool = True  # what the network itself says; if not, a pass ends at the last reading point
    taps: tuple[str, ...] = ()  # layers to read, by name; none: found out
    pretrained: bool = False  # its layers were not learned from these labels alone
    reader: Reader | None = None  # of inputs, where they are read; None: one for these samples
    batch_size: int = 256
    _spent: Cost = field(init=False, default_factory=Cost)
    _seen: list[Chunk] | OnDisk | None = field(init=False, default=None)
    _charged: int = field(init=False, default=0)  # samples
    _forgets: bool = field(init=False, default=False)  # the disk was full
    _is_timed: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        with self.timed():
            self._prepare()

    def _prepare(self) -> None:
        example = next(self.samples.batches(2)).inputs
        self._points: list[Layer] = points_of(self.model, example, depth=self.depth, taps=self.taps)
        if not self.taps:
            self._points = thinned(self._points)
        self._views = self.views or self.samples.kind.views
        if self.reads_inputs:
            self._points = self._points[:1]
            self.reader = self.reader or reader_of(self.samples)
        self._end = None if self.hears else self._points[-1].name
        self._flops = flops.forward(self.model, example, until=self._end)

    @property
    def reads_inputs(self) -> bool:
        """Whether the inputs are read instead of what layers make of them: texts and columns."""
        return readable(self.samples.kind) and not (self.taps or self.pretrained)

    def expected_flops(self, walks: int, per_sample: float = 0.0) -> float:
        """Return the operations so many walks will take, with `per_sample` more for what comes of them."""
        passes = len(self._views) * (1 if self.remembers else walks)
        return len(self.samples) * (passes * self._flops + per_sample)

    def bill(self) -> Cost:
        """Return what walking took since this was last asked, so that each walk is paid for once."""
        spent, self._spent = self._spent, Cost()
        return spent

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Put the wall seconds of a block on the bill: all of a look, its passes and what comes of them.

        A block within such a block is a part of it, and is not paid for twice.
        """
        if self._is_timed:
            yield
            return
        started, self._is_timed = time.perf_counter(), True
        try:
            yield
        finally:
            self._is_timed = False
            self._spent = self._spent + Cost.since(started, self.name)

    def charge(self, rows: int) -> None:
        """Put the looks at so many samples on the bill; their time is that of the block they are in.

        Where all is remembered each sample is charged once, and not again after an interruption, so that a
        repair which was interrupted has as much left for learning as one that was not.
        """
        rows = min(rows, len(self.samples) - self._charged) if self.remembers else rows
        self._charged += rows
        seen = rows * len(self._views)
        spent = Cost(samples_seen=seen, flops=seen * self._flops)
        self._spent = self._spent + spent.as_stage(self.name)

    @cached_property
    def _glance(self) -> Chunk:
        """What is seen of two samples."""
        batch = next(self.samples.batches(2))
        with in_eval_mode(self.model), torch.no_grad():
            return self._chunk(batch)

    @property
    def width(self) -> int:
        """How many features a chunk has."""
        return self._glance.features.shape[1]

    @property
    def remembers(self) -> bool:
        """Whether one pass serves all walks."""
        return not self._forgets and (self._is_held or self._fits)

    @cached_property
    def _is_held(self) -> bool:
        return self.samples.source.in_memory and self._needed <= REMEMBERED

    @cached_property
    def _fits(self) -> bool:
        return fit_on_disk(self._needed)

    @property
    def _needed(self) -> int:
        return self._glance.bytes_per_sample * len(self.samples)

    def __iter__(self) -> Iterator[Chunk]:
        return self.since(0)

    def since(self, first: int) -> Iterator[Chunk]:
        """Yield the chunks from the row `first` on; what is done with each of them is timed as well."""
        with self.timed():
            yield from self._from(first)

    def _from(self, first: int) -> Iterator[Chunk]:
        if self._seen is not None:
            yield from (chunk.since(first) for chunk in self._seen if chunk.rows[-1] >= first)
            return
        seen = self._memory() if self.remembers and first == 0 else None
        with progress.stage(self.name, len(self.samples)) as shown:
            shown.advance(first)
            for chunk in looked_at(
                self.samples, self._heard, size=self.batch_size, name=self.name, first=first
            ):
                shown.advance(len(chunk.rows))
                if seen is not None:
                    seen = self._left(chunk, seen)
                yield chunk
        self._seen = seen

    def _memory(self) -> list[Chunk] | OnDisk:
        return [] if self._is_held else OnDisk(self._glance)

    def _left(self, chunk: Chunk, seen: list[Chunk] | OnDisk) -> list[Chunk] | OnDisk | None:
        """Return the memory with a chunk more; None where the disk has no room for it."""
        try:
            seen.append(chunk)
        except OSError:
            self._forgets = True
            return None
        return seen

    def _heard(self, batch: Batch) -> Chunk:
        with in_eval_mode(self.model), torch.no_grad():
            chunk = self._chunk(batch)
        self.charge(len(batch.rows))
        return chunk

    def _chunk(self, batch: Batch) -> Chunk:
        inputs = batch.inputs
        names = [point.name for point in self._points]
        mask = self.samples.kind.mask(inputs)
        features, moments, log_probs = [], [], []
        for name in self._views:
            seen_as = view(inputs, name)
            if seen_as.dim() == 4:
                seen_as = seen_as.contiguous(memory_format=torch.channels_last)
            with read_inputs(self.model, names) as read, ended_before(self.model, self._end):
                logits = self.model(seen_as)[:, : self.samples.num_classes]  # outputs without a class
                log_probs.append(functional.log_softmax(logits.float(), dim=1))
            if self.reader is None:
                features.append(torch.cat([pooled(read[point], mask) for point in names], dim=1))
            else:
                features.append(self.reader.read(inputs))
            moments.append(_moments(read[names[0]]))
        return Chunk(
            rows=batch.rows,
            labels=batch.labels,
            features=torch.stack(features).mean(0),
            moments=torch.stack(moments).mean(0),
            log_probs=torch.stack(log_probs).mean(0) if log_probs else None,
            has_channels=read[names[0]].dim() > 2,
            filled=filled(self.samples.kind, inputs),
        )


def filled(kind: Kind, inputs: Tensor) -> Float[Tensor, " b"] | None:
    """Return how much of its places each text or clip fills; None: not known. In silence no band differs."""
    mask = kind.mask(inputs)
    if mask is not None:
        return mask.float().mean(1)
    if kind.name == "audio" and inputs.dim() == 4:
        return (inputs.amax(2) != inputs.amin(2)).float().mean((1, 2))
    return None


def thinned(points: list[Layer]) -> list[Layer]:
    """Return at most `MAX_POINTS` of the points, evenly, the last among them."""
    stride = -(-len(points) // MAX_POINTS)
    return points[::-1][::stride][::-1]


def pooled(activations: Tensor, mask: Tensor | None = None) -> Float[Tensor, "b d"]:
    """Return about `MAX_FEATURES` numbers per sample: the finest 4x4, 2x2 or 1x1 mean that fits.

    Args:
        activations: (b, features, ...).
        mask: which places of a sequence count (b, length); all by default.
    """
    activations = activations.float()
    if activations.shape[1] > 2 * MAX_FEATURES:
        mixing = _mixing(activations.shape[1]).to(activations.device)
        activations = (activations.movedim(1, -1) @ mixing).movedim(-1, 1)
    if activations.dim() == 2:
        return activations
    if mask is not None and activations.shape[2:] == mask.shape[1:]:
        counted = mask[:, None].to(activations)
        return (activations * counted).sum(2) / counted.sum(2).clamp_min(1)
    if activations.dim() == 3:
        return functional.adaptive_avg_pool1d(activations, _cells(activations, 1)).flatten(1)
    cells = _cells(activations, 2)
    return functional.adaptive_avg_pool2d(activations, cells).flatten(1)


@lru_cache(maxsize=8)
def _mixing(features: int) -> Float[Tensor, "features mixed"]:
    """Return a fixed matrix of signs, which keeps distances about as they are (Achlioptas, 2003)."""
    signs = torch.randint(0, 2, (features, MAX_FEATURES), generator=Streams(features)("mixing"))
    return (2.0 * signs - 1) / features**0.5


def _cells(activations: Tensor, dims: int) -> int:
    channels, side = activations.shape[1], min(activations.shape[2:])
    fitting = [cells for cells in (4, 2) if channels * cells**dims <= MAX_FEATURES and cells <= side]
    return fitting[0] if fitting else 1


def _moments(activations: Tensor) -> Float[Tensor, "b m"]:
    activations = activations.float()
    if activations.dim() == 2:
        return activations
    flat = activations.flatten(2)
    deviation = flat.std(2, correction=min(1, flat.shape[2] - 1))  # of a lone place: 0
    return torch.cat([flat.mean(2), deviation], dim=1)
