"""Take foreign spans out of inputs before the network answers; the network stays as it is."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from unchaff import progress
from unchaff.errors import ConfigError, NeedsError
from unchaff.methods.validation import validation_of
from unchaff.nets import flops
from unchaff.nets.filtering import KINDS, LAYER, PIXELS, Filtered, SpanFilter, filtered, said_of
from unchaff.nets.foreignness import Foreignness
from unchaff.nets.hooks import ended_before, in_eval_mode, read_inputs
from unchaff.nets.looking import looked_at
from unchaff.nets.mahalanobis import SHRINKAGE, Gaussian, Moments
from unchaff.nets.spans import blocks, cells, sides_of, strange
from unchaff.nets.taps import find_layers
from unchaff.records import Cost, Observed, Outcome, Trained
from unchaff.samples import Batch, Samples
from unchaff.streams import Streams

ASIDE = 0.125  # of the training inputs, where there is neither a reference nor a hold-out
BATCH = 64  # inputs


@dataclass(frozen=True, kw_only=True)
class InputFilter:
    """Fit Gaussians to what an early layer reads, and put a filter of inputs in front of the network.

    A span is a block of places of the input: of pixels, of frames, or of words. Its score is the mean of the
    relative Mahalanobis distances of its places, none beyond the width of the embedding, less what is
    usual at that place and half of the median of the input, in deviations of the highest of its size in clean
    inputs. The most foreign block of an input is taken out where its score is beyond the threshold, and with
    more `rounds` the rest is looked at again. Where such a span ends the pixels or frames themselves say, by
    distances of their own: a layer sees its edges too far out, and a hole that is two pixels too wide costs
    much of what the filter wins. Pixels are filled from around them, frames by a straight line in time, and
    words are closed up; never more than half of a picture or clip goes, and never all of a text.

    Source: Krishna et al., arXiv 2212.09928 (spans found by the network's own embedding and deleted; no
    training, nothing known of the noise); Ren et al., arXiv 2209.15558 (the distance). The layer, the blocks
    of several sizes, the bounds of the score, the edges, the fill and the background for pictures and sound
    are ours; the layer is an early one, since the pooled features of the last see little of a small patch.
    """

    quantile: float = 0.98  # of the highest score of each clean input: that is the threshold
    over: Literal["inputs", "spans"] = "inputs"  # spans: of all scores of clean inputs, as in the paper
    background: Literal["strange", "none"] = "strange"  # none: the plain distance
    rounds: int = 1  # blocks that are taken out of one input at most
    tap: str = ""  # layer whose inputs are read, by name; the first that reads hidden places, by default
    limit: int = 4096  # inputs that the Gaussians are fitted to
    shrinkage: float = SHRINKAGE
    cites: ClassVar[tuple[str, ...]] = ("krishna2023improving", "ren2023out")
    chooses: ClassVar[bool] = True  # on samples known to be right, where there are some

    def __post_init__(self) -> None:
        if not 0 < self.quantile < 1:
            raise ConfigError(f"quantile must be in (0, 1), got {self.quantile}. The default is 0.98.")
        if self.over not in ("inputs", "spans") or self.background not in ("strange", "none"):
            raise ConfigError(
                "over must be inputs or spans and background strange or none, got "
                f"{self.over!r} and {self.background!r}."
            )
        if self.rounds < 1 or self.limit < 2 or self.shrinkage < 0:
            raise ConfigError(
                "rounds must be 1 or more, limit 2 or more, and shrinkage 0 or more, got "
                f"{self.rounds}, {self.limit} and {self.shrinkage}."
            )

    def __call__(self, trained: Trained, observed: Observed, *, streams: Streams) -> Outcome:
        """Fit the filter."""
        streams = streams.fork("input-filter")
        started, model = time.perf_counter(), trained.model
        tap = self._tap(model, observed.train)
        fitted_on, clean = self._parts(observed, streams)
        some = fitted_on.at(streams.subset("fit", fitted_on.ids, self.limit))
        seen, kind, pad = [0], some.kind.name, some.kind.pad or 0

        def read(inputs: Tensor) -> Tensor:
            with torch.no_grad(), read_inputs(model, [tap]) as found, ended_before(model, tap):
                model(inputs)
            seen[0] += len(inputs)
            return cells(kind, found[tap], inputs != pad if kind == "text" else None)

        with in_eval_mode(model):
            layer = self._foreignness(some, read, LAYER, streams)
            pixels = None
            if kind != "text":
                pixels = self._foreignness(some, lambda inputs: cells(kind, inputs), PIXELS, streams)
            filtering = SpanFilter(kind, tap, layer, pixels)
            filtering.settings = torch.tensor([self.rounds, pad])
            filtering = filtering.to(some.device)
            self._calibrate(filtering, model, clean)
        usual, away = len(some) + len(clean), seen[0] - len(some) + len(clean)
        looks = seen[0] + len(clean)
        operations = looks * flops.forward(model, next(some.batches(2)).inputs, until=tap)
        operations += sum(products(each, usual, away) for each in (layer, pixels) if each is not None)
        cost = Cost(time.perf_counter() - started, looks, operations).as_stage("filter")
        return Outcome(
            model=filtered(model, filtering),
            cost=cost,
            preprocess=filtering,
            modifications=(said_of(filtering),),
            notes=(self._said(filtering, clean),),
        )

    def _tap(self, model: nn.Module, samples: Samples) -> str:
        """Return the layer to read.

        Raises:
            NeedsError: inputs without places, or a network without a layer that keeps them.
        """
        kind = samples.kind
        if kind.name not in KINDS or kind.layout is not None:
            raise NeedsError(
                f"input-filter takes spans out of pictures, sound or texts in one tensor, and the data "
                f"are {kind}. Leave it out."
            )
        if isinstance(model, Filtered) or model._forward_hooks or model._forward_pre_hooks:
            raise NeedsError(
                "input-filter needs a network that takes one tensor and returns logits, and has no filter "
                "yet. Give a plain torch network."
            )
        places = 2 if kind.name == "text" else 3
        layers = find_layers(model, next(samples.batches(2)).inputs)
        fit = [
            each.name
            for each in layers
            if each.by_sample
            and len(each.input_shape) == places
            and (each.is_embedded if kind.name == "text" else each.reads != layers[0].reads)
        ]
        if not fit:
            raise NeedsError(
                "input-filter reads a hidden layer that keeps the places of its input apart, and the network "
                "has none. Give a convolutional network."
            )
        if self.tap and self.tap not in fit:
            raise ConfigError(f"{self.tap!r} keeps no places apart. Layers that do: {', '.join(fit)}.")
        return self.tap or fit[0]

    def _parts(self, observed: Observed, streams: Streams) -> tuple[Samples, Samples]:
        """Return what the Gaussians are fitted to, and clean inputs for the threshold."""
        train, (clean, _) = observed.train, validation_of(observed)
        rest = train
        if clean is None:
            drawn = torch.from_numpy(streams.per_id("aside", train.ids)).argsort()
            count = max(1, round(ASIDE * len(train)))
            clean, rest = (train.at(rows.sort().values.numpy()) for rows in (drawn[:count], drawn[count:]))
        return rest, clean.at(streams.subset("threshold", clean.ids, max(1, self.limit // 2)))

    def _foreignness(
        self, samples: Samples, read: Callable[[Tensor], Tensor], reach: float, streams: Streams
    ) -> Foreignness:
        """Return what is known of the embeddings that `read` makes of inputs."""
        usual, away, kind = self._gaussian(samples, read, lambda inputs: (inputs,)), None, samples.kind
        if self.background == "strange":
            draw, pad = streams("strange", samples.device), kind.pad or 0
            away = self._gaussian(samples, read, lambda inputs: strange(kind.name, inputs, draw, pad=pad))
        return Foreignness(usual, away, reach=reach)

    def _gaussian(
        self,
        samples: Samples,
        read: Callable[[Tensor], Tensor],
        made: Callable[[Tensor], Iterable[Tensor]],
    ) -> Gaussian:
        moments = Moments()

        def look(batch: Batch) -> int:
            for inputs in made(batch.inputs):
                rows = read(inputs).movedim(1, -1).flatten(0, 2)
                moments.add(rows[~rows[:, 0].isnan()])
            return len(batch.rows)

        with progress.stage("filter", len(samples)) as stage:
            for count in looked_at(samples, look, size=BATCH, name="filter"):
                stage.advance(count)
        return moments.gaussian(self.shrinkage)

    def _calibrate(self, filtering: SpanFilter, model: nn.Module, clean: Samples) -> None:
        """Learn from clean inputs how blocks of each size score, and where the threshold lies."""
        look = lambda batch: filtering.distances(model, batch.inputs)  # noqa: E731
        distances = torch.cat(list(looked_at(clean, look, size=BATCH, name="threshold")))
        # A word is as usual at one place of a text as at another, and few texts reach the last ones.
        is_text = filtering.kind == "text"
        filtering.layer.level = (
            distances.nanmean().expand(distances.shape[1:]).clone() if is_text else distances.mean(0)
        )
        if (pixels := filtering.pixels) is not None:
            see = lambda batch: pixels.distances(cells(filtering.kind, batch.inputs)).sum(0)  # noqa: E731
            sums = list(looked_at(clean, see, size=BATCH, name="edges"))
            pixels.level = torch.stack(sums).sum(0) / len(clean)
        scores = filtering.layer.centred(distances)
        sides = sides_of(filtering.kind, *scores.shape[1:])
        found = zip(sides, (each.flatten(1).amax(1) for each in blocks(scores, sides)), strict=True)
        # A text can be shorter than a block, and all of them can.
        highest = {side: each[each.isfinite()] for side, each in found if each.isfinite().any()}
        filtering.sides = torch.tensor(list(highest), device=scores.device)
        floor = 0.05 * len(filtering.layer.mean)  # where all inputs reach the bound, no difference counts
        filtering.middle = torch.stack([each.mean() for each in highest.values()])
        spreads = [each.std(correction=0).clamp_min(floor) for each in highest.values()]
        filtering.spread = torch.stack(spreads)
        scaled = [each.flatten(1) for each in filtering.found(scores)]
        every = torch.cat(scaled, 1)
        judged = every.amax(1) if self.over == "inputs" else every.flatten()
        judged = judged[judged.isfinite()]
        place = min(len(judged) - 1, int(self.quantile * len(judged)))
        filtering.threshold = judged.sort().values[place]

    def _said(self, filtering: SpanFilter, clean: Samples) -> str:
        sides = ", ".join(str(side) for side in filtering.sides.tolist())
        return (
            f"The network is as it was, behind a filter that reads {filtering.tap} and judges blocks of "
            f"{sides} cells; its threshold comes from {len(clean)} clean inputs."
        )


def products(known: Foreignness, usual: int, away: int) -> float:
    """Return the operations of covariances and distances: every cell times a square matrix of its width.

    Args:
        known: of embeddings; without a background there is nothing to compare with that.
        usual: inputs whose cells are compared with what is usual, or make it.
        away: inputs whose cells are compared with the background, or make it.
    """
    widths = usual * len(known.mean) ** 2 + away * len(known.background_mean) ** 2
    return 2.0 * known.level.numel() * widths
