"""Texts as numbers: the words of the training texts, most frequent first."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unchaff import limits
from unchaff.data.listing import Decoded, good_rows
from unchaff.data.options import Options
from unchaff.data.prepare import Prepare
from unchaff.data.sources import in_memory
from unchaff.errors import DataError
from unchaff.samples import Kind

PAD, UNKNOWN, FIRST = 0, 1, 2  # nothing, a word not in the list, the first word of the list
MOST_WORDS = 20_000 - FIRST
LONGEST = 256  # words of a text that are read at most
WORD = re.compile(r"\w+|[^\w\s]")


@dataclass(frozen=True)
class Words:
    """Each word, lower case, by its place in a list; signs count as words."""

    words: tuple[str, ...]
    length: int  # words of a text that are read
    dear: ClassVar[bool] = False

    @classmethod
    def of(cls, texts: Iterable[str], *, length: int | None = None) -> "Words":
        """Return the words that occur in these texts, and a length that 95 % of the texts fit in."""
        counts: Counter[str] = Counter()
        lengths = []
        for text in texts:
            found = split(text)
            counts.update(found)
            lengths.append(len(found))
        most = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))[:MOST_WORDS]
        fitting = int(np.quantile(lengths, 0.95, method="inverted_cdf")) if lengths else 1
        return cls(tuple(word for word, _ in most), length or min(max(fitting, 8), LONGEST))

    @cached_property
    def places(self) -> dict[str, int]:
        """The number of each word."""
        return {word: place for place, word in enumerate(self.words, start=FIRST)}

    def encode(self, texts: Sequence[str]) -> NDArray[np.int32]:
        """Return (n, length) numbers, filled up with `PAD`."""
        rows = np.full((len(texts), self.length), PAD, dtype=np.int32)
        for row, text in zip(rows, texts, strict=True):
            found = [self.places.get(word, UNKNOWN) for word in split(text)[: self.length]]
            row[: len(found)] = found
        return rows

    def __call__(self, raw: Tensor) -> Tensor:
        return raw.long()

    def to_json(self) -> dict[str, Any]:
        return {"kind": "words", "words": list(self.words), "length": self.length}


def split(text: str) -> list[str]:
    """Return the words and signs of a text.

    >>> split("Isn't it good?")
    ['isn', "'", 't', 'it', 'good', '?']
    """
    return WORD.findall(text.lower())


def _faults(texts: NDArray[np.object_]) -> Iterator[tuple[int, str]]:
    most = limits.CHARACTERS.value
    for row, text in enumerate(texts):
        if text and len(text) > most:
            yield row, f"{len(text):,} characters, {limits.CHARACTERS}"
        elif not text or WORD.search(text) is None:
            yield row, "the text is empty"


def settle(
    texts: NDArray[np.object_],
    options: Options,
    *,
    kind: Kind | None = None,
    prepare: Prepare | None = None,
) -> Decoded:
    """Leave out empty texts, and number the words of the others.

    Raises:
        DataError: no text has a word.
    """
    bad = dict(_faults(texts))
    rows = good_rows(len(texts), bad)
    if not len(rows):
        raise DataError(f"All {len(texts)} texts are empty. Give other data.")
    kept = [str(text) for text in texts[rows]]
    words = prepare if isinstance(prepare, Words) else Words.of(kept, length=options.length)
    kind = kind or Kind("text", (words.length,), pad=PAD)
    source = in_memory(torch.from_numpy(words.encode(kept)), words)
    return Decoded(source=source, kind=kind, prepare=words, rows=rows, bad=bad)
