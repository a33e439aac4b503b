"""How right the tags of words are, counted in whole spans."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from unchaff.errors import ModelError
from unchaff.nets.adapt import tags_said
from unchaff.nets.hooks import in_eval_mode
from unchaff.nets.looking import looked_at
from unchaff.samples import UNTAGGED, Batch, Samples
from unchaff.streams import Streams

Span = tuple[int, int, str]  # first word, the one after the last, and what it is


@dataclass(frozen=True)
class SpanScores:
    """Fractions in [0, 1]; higher is better. A span counts where both ends and its name are right."""

    precision: float
    recall: float
    f1: float
    support: int  # spans that are there


def spans(tags: Sequence[str]) -> set[Span]:
    """Return the spans that BIO tags mark, as the CoNLL evaluation counts them.

    A span begins at B-, and at an I- that goes on with nothing of its name.

    >>> sorted(spans(["O", "B-city", "I-city", "I-day", "B-day"]))
    [(1, 3, 'city'), (3, 4, 'day'), (4, 5, 'day')]
    """
    found: set[Span] = set()
    begun: tuple[int, str] | None = None
    for place, tag in enumerate([*tags, "O"]):
        how, _, name = tag.partition("-")
        if begun is not None and (how, name) != ("I", begun[1]):
            found.add((begun[0], place, begun[1]))
            begun = None
        if how in ("B", "I") and begun is None:
            begun = (place, name)
    return found


def score_tags(model: nn.Module, samples: Samples) -> SpanScores:
    """Return how well the network tags the words of these samples; both spans and samples count as they are.

    Raises:
        ModelError: the samples carry no tags, or the network says none.
    """
    right = said = there = 0
    for given, found in _pairs(model, samples):
        right, said, there = right + len(given & found), said + len(found), there + len(given)
    return SpanScores(
        precision=right / said if said else 0.0,
        recall=right / there if there else 0.0,
        f1=2 * right / (said + there) if said + there else 0.0,
        support=there,
    )


def _pairs(model: nn.Module, samples: Samples) -> Iterator[tuple[set[Span], set[Span]]]:
    if samples.tags is None:
        raise ModelError("The samples carry no tags. Give texts with a column tags or slots.")
    names = samples.tags.names

    def work(batch: Batch) -> list[tuple[set[Span], set[Span]]]:
        with tags_said(model) as said:
            model(batch.inputs)
        if not said or batch.tags is None:
            raise ModelError(
                "The network says no tags. Give one that returns an object with .logits and .tags, such as "
                "text-tagger."
            )
        best = said[0].argmax(2)
        rows = zip(batch.tags.tolist(), best.tolist(), strict=True)
        return [_spans_of(names, given, found) for given, found in rows]

    with in_eval_mode(model), Streams(0).forked_global("evaluate"), torch.inference_mode():
        for some in looked_at(samples, work, size=512, name="tags"):
            yield from some


def _spans_of(names: Sequence[str], given: list[int], found: list[int]) -> tuple[set[Span], set[Span]]:
    words = [place for place, number in enumerate(given) if number != UNTAGGED]
    right = [names[given[place]] for place in words]
    guess = [names[found[place]] if found[place] < len(names) else "O" for place in words]
    return spans(right), spans(guess)
