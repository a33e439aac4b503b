"""One walk over the data that all attributors share: what layers read, and what the network says."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from unchaff import progress
from unchaff.nets import flops
from unchaff.nets.taps import Layer, ended_before, find_layers, in_eval_mode, read_inputs, reading_points
from unchaff.records import Cost
from unchaff.samples import Rows, Samples
from unchaff.train.augment import view

MAX_FEATURES = 512  # per reading point, after pooling


@dataclass(frozen=True)
class Chunk:
    """What was seen of some samples, averaged over the views."""

    rows: Rows
    labels: Int[Tensor, " b"]
    features: Float[Tensor, "b d"]  # pooled activations of all reading points, side by side
    moments: Float[Tensor, "b m"]  # mean and deviation per channel at the earliest reading point
    log_probs: Float[Tensor, "b classes"] | None  # of the network itself, where it was heard to the end
    has_channels: bool  # that point has places or frames; else its moments are the features themselves


@dataclass
class Walk:
    """Yields chunks in canonical order, as often as asked.

    What lies in memory is walked once and remembered; what is decoded from files is walked anew each
    time, so that nothing of the size of the data is ever held.
    """

    model: nn.Module
    samples: Samples
    depth: float  # share of the reading points to use, from the input on; 1: all
    name: str = "score"
    views: tuple[str, ...] | None = None  # None: all that leave the label right
    hears: bool = True  # what the network itself says; if not, a pass ends at the last reading point
    batch_size: int = 256
    _spent: Cost = field(default_factory=Cost)
    _seen: list[Chunk] | None = None

    def __post_init__(self) -> None:
        example = next(self.samples.batches(2)).inputs
        points = reading_points(find_layers(self.model, example))
        inner = points[1:] or points  # a lone layer reads the input itself
        used = max(1, round(self.depth * len(inner)))
        self._points: list[Layer] = inner[:used]
        self._views = self.views or self.samples.kind.views
        self._end = None if self.hears else self._points[-1].name
        self._flops = flops.forward(self.model, example, until=self._end)

    def expected_flops(self, walks: int, per_sample: float = 0.0) -> float:
        """Return the operations so many walks will take, with `per_sample` more for what comes of them."""
        passes = len(self._views) * (1 if self.samples.source.in_memory else walks)
        return len(self.samples) * (passes * self._flops + per_sample)

    def bill(self) -> Cost:
        """Return what walking took since this was last asked, so that each walk is paid for once."""
        spent, self._spent = self._spent, Cost()
        return spent

    def width(self) -> int:
        """Return how many features a chunk has, from a look at two samples."""
        batch = next(self.samples.batches(2))
        with in_eval_mode(self.model), torch.no_grad():
            return self._chunk(batch.inputs, batch.rows, batch.labels).features.shape[1]

    def __iter__(self) -> Iterator[Chunk]:
        if self._seen is not None:
            yield from self._seen
        elif self.samples.source.in_memory:
            self._seen = list(self._walk())
            yield from self._seen
        else:
            yield from self._walk()

    def _walk(self) -> Iterator[Chunk]:
        with progress.stage(self.name, len(self.samples)) as shown:
            for batch in self.samples.batches(self.batch_size):
                started = time.perf_counter()
                with in_eval_mode(self.model), torch.no_grad():
                    chunk = self._chunk(batch.inputs, batch.rows, batch.labels)
                seen = len(batch.rows) * len(self._views)
                spent = Cost(time.perf_counter() - started, seen, seen * self._flops)
                self._spent = self._spent + spent.as_stage(self.name)
                shown.advance(len(batch.rows))
                yield chunk

    def _chunk(self, inputs: Tensor, rows: Rows, labels: Tensor) -> Chunk:
        names = [point.name for point in self._points]
        features, moments, log_probs = [], [], []
        for name in self._views:
            seen_as = view(inputs, name)
            if seen_as.dim() == 4:
                seen_as = seen_as.contiguous(memory_format=torch.channels_last)
            with read_inputs(self.model, names) as read, ended_before(self.model, self._end):
                logits = self.model(seen_as)
                log_probs.append(functional.log_softmax(logits.float(), dim=1))
            features.append(torch.cat([pooled(read[point]) for point in names], dim=1))
            moments.append(_moments(read[names[0]]))
        return Chunk(
            rows=rows,
            labels=labels,
            features=torch.stack(features).mean(0),
            moments=torch.stack(moments).mean(0),
            log_probs=torch.stack(log_probs).mean(0) if log_probs else None,
            has_channels=read[names[0]].dim() > 2,
        )


def pooled(activations: Tensor) -> Float[Tensor, "b d"]:
    """Return at most about `MAX_FEATURES` numbers per sample: the finest 4x4, 2x2 or 1x1 mean that fits."""
    activations = activations.float()
    if activations.dim() == 2:
        return activations
    if activations.dim() == 3:
        return functional.adaptive_avg_pool1d(activations, _cells(activations, 1)).flatten(1)
    cells = _cells(activations, 2)
    return functional.adaptive_avg_pool2d(activations, cells).flatten(1)


def _cells(activations: Tensor, dims: int) -> int:
    channels, side = activations.shape[1], min(activations.shape[2:])
    fitting = [cells for cells in (4, 2) if channels * cells**dims <= MAX_FEATURES and cells <= side]
    return fitting[0] if fitting else 1


def _moments(activations: Tensor) -> Float[Tensor, "b m"]:
    activations = activations.float()
    if activations.dim() == 2:
        return activations
    flat = activations.flatten(2)
    return torch.cat([flat.mean(2), flat.std(2)], dim=1)
