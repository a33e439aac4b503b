"""Documents without foreign sentences: any function that embeds texts is enough."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from unchaff.errors import ConfigError, DataError
from unchaff.nets.mahalanobis import Gaussian, gaussian_of, relative

Embed = Callable[[list[str]], ArrayLike]  # texts -> (n, d)
ASIDE = 8  # every so-manieth document is for the threshold
# A sentence ends at a line, or at a stop before white space and something that may begin one.
SENTENCE = re.compile(r".*?(?:\n+|(?<=[.!?])[\"')\]]*\s+(?=[\"'(\[]*[A-Z0-9])|$)", re.DOTALL)


def sentences(document: str) -> list[str]:
    """Return the sentences of a document with the white space behind each: joined they are the document.

    >>> sentences("One. Two of e.g. this? Three")
    ['One. ', 'Two of e.g. this? ', 'Three']
    """
    pieces = [piece for piece in SENTENCE.findall(document) if piece]
    found: list[str] = []
    for piece in pieces:
        if piece.strip() or not found:
            found.append(piece)
        else:  # white space alone belongs to what is before it
            found[-1] += piece
    return found


@dataclass(frozen=True)
class Cleaned:
    """A document without its foreign sentences."""

    text: str
    removed: tuple[str, ...]
    scores: tuple[float, ...]  # of every sentence; higher is more foreign
    is_removed: tuple[bool, ...]


@dataclass(frozen=True, kw_only=True)
class DocumentFilter:
    """Finds sentences whose embeddings lie far from those of usual documents, and deletes them.

    Source: Krishna et al., arXiv 2212.09928; the distance is that of Ren et al., arXiv 2209.15558. They read
    the encoder of a summariser; here `embed` may be any. The shrinkage is ours: sentences are few and
    embeddings wide.
    """

    embed: Embed = field(repr=False)
    score: Literal["alone", "leave_out"] = (
        "alone"  # of a sentence by itself; fall of the document's without it
    )
    quantile: float = 0.99  # of the scores of clean sentences: that is the threshold
    shrinkage: float = 0.1  # of the mean variance
    rounds: int = 3  # of leave_out: after each the rest is looked at again

    def __post_init__(self) -> None:
        if not 0 < self.quantile < 1 or self.shrinkage < 0 or self.rounds < 1:
            raise ConfigError(
                "quantile must be in (0, 1), shrinkage 0 or more and rounds 1 or more, got "
                f"{self.quantile}, {self.shrinkage} and {self.rounds}."
            )
        if self.score not in ("alone", "leave_out"):
            raise ConfigError(f"score must be alone or leave_out, got {self.score!r}.")

    def fit(self, documents: Sequence[str], background: Sequence[str] = ()) -> "FittedFilter":
        """Learn what is usual.

        Args:
            documents: clean ones; every eighth is kept for the threshold.
            background: documents about anything; none: the plain distance.

        Raises:
            DataError: fewer than 16 documents, or embeddings that are none.
        """
        if len(documents) < 2 * ASIDE:
            raise DataError(
                f"{len(documents)} documents are too few to learn from. Give at least {2 * ASIDE}."
            )
        fitted_on = [each for place, each in enumerate(documents) if place % ASIDE]
        usual = gaussian_of(self._embedded(self._parts(fitted_on)), self.shrinkage)
        away = None
        if background:
            away = gaussian_of(self._embedded(self._parts(background)), self.shrinkage)
        fitted = FittedFilter(self, usual, away, float("inf"))
        scores = np.concatenate([fitted.scores(sentences(each)) for each in documents[::ASIDE]])
        return FittedFilter(self, usual, away, float(np.quantile(scores, self.quantile)))

    def _parts(self, documents: Sequence[str]) -> list[str]:
        if self.score == "leave_out":
            return list(documents)
        return [each for document in documents for each in sentences(document)]

    def _embedded(self, texts: list[str]) -> Tensor:
        found = torch.as_tensor(np.asarray(self.embed([each.strip() for each in texts]))).double()
        if found.dim() != 2 or len(found) != len(texts) or not bool(torch.isfinite(found).all()):
            raise DataError(
                f"embed returned shape {tuple(found.shape)} for {len(texts)} texts. Return one row of finite "
                "numbers for each."
            )
        return found


@dataclass(frozen=True)
class FittedFilter:
    """A filter that knows what is usual."""

    filter: DocumentFilter
    usual: Gaussian = field(repr=False)
    background: Gaussian | None = field(repr=False)
    threshold: float

    def scores(self, parts: Sequence[str]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        """Return how foreign each sentence of one document is; higher is more foreign."""
        if not parts:
            return np.zeros(0)
        if self.filter.score == "alone":
            return self._distance(list(parts)).numpy()
        if len(parts) == 1:
            return np.zeros(1)
        without = ["".join([*parts[:place], *parts[place + 1 :]]) for place in range(len(parts))]
        far = self._distance(["".join(parts), *without])
        return (far[0] - far[1:]).numpy()

    def clean(self, document: str) -> Cleaned:
        """Return the document without foreign sentences; at least one sentence always stays."""
        parts = sentences(document)
        first = scores = self.scores(parts)
        left = list(range(len(parts)))
        rounds = 1 if self.filter.score == "alone" else self.filter.rounds
        for turn in range(rounds):
            if turn:
                scores = self.scores([parts[place] for place in left])
            foreign = scores > self.threshold
            if turn or rounds > 1:  # one at a time: what is left is another document
                foreign &= scores == scores.max(initial=-np.inf)
            if foreign.all() and len(foreign):
                foreign[int(scores.argmin())] = False
            if not foreign.any():
                break
            left = [place for place, out in zip(left, foreign, strict=True) if not out]
        kept = set(left)
        return Cleaned(
            text="".join(parts[place] for place in left).strip(),
            removed=tuple(each.strip() for place, each in enumerate(parts) if place not in kept),
            scores=tuple(first.tolist()),
            is_removed=tuple(place not in kept for place in range(len(parts))),
        )

    def _distance(self, texts: list[str]) -> Tensor:
        return relative(self.filter._embedded(texts), self.usual, self.background)
