"""Texts as a speech recogniser would have written them."""

from collections import defaultdict
from dataclasses import dataclass, replace

import numpy as np
import torch

from unchaff.data.sources import prepare_of
from unchaff.data.tagged import OUTSIDE
from unchaff.data.words import Words, split
from unchaff.errors import NoiseError
from unchaff.noise.base import checked_rate, spoiled
from unchaff.records import Truth
from unchaff.samples import UNTAGGED, Rows, Samples, Tags
from unchaff.streams import Streams

LEFT, ADDED = 0.2, 0.2  # share of the errors that leave a word out, or add one; the others mishear it
SHORT, AMONG = 3, 100  # letters at most, and how many of the most frequent words: what is left out or added
CODES = {
    letter: str(code)
    for code, letters in enumerate(("bfpv", "cgjkqsxz", "dt", "l", "mn", "r"), start=1)
    for letter in letters
}


def sound(word: str) -> str:
    """Return how a word sounds, roughly: its consonants in groups that are easily confused.

    Source: the groups of Soundex (Russell, US patent 1261167), for all letters and the first one too.

    >>> sound("two"), sound("to"), sound("write"), sound("road")
    ('3', '3', '63', '63')
    """
    codes = [CODES.get(letter, "") for letter in word.lower()]
    kept = [code for place, code in enumerate(codes) if place == 0 or code != codes[place - 1]]
    return "".join(kept)


@dataclass(frozen=True)
class Recogniser:
    """Errors in that share of the words: misheard, left out, or one too many; labels stay right.

    Three in five are misheard as a word of the training texts that sounds alike, a frequent one more
    often; where none does, a letter is lost. One in five is left out where it is short and frequent, and
    misheard otherwise; one in five is followed by a short and frequent word. A misheard word keeps its tag,
    and an added one is outside of all. Each text depends on the seed and its id alone.

    Source: ours; no recogniser was asked, and the shares are a guess.
    """

    rate: float  # share of the words, in [0, 1]

    def __post_init__(self) -> None:
        checked_rate(self.rate)

    def __call__(self, clean: Samples, *, streams: Streams) -> tuple[Samples, Truth]:
        """Plant.

        Raises:
            NoiseError: the data are no texts that are read word by word.
        """
        words = prepare_of(clean.source)
        if clean.texts is None or not isinstance(words, Words):
            raise NoiseError(f"recogniser is for texts that are read by words, the data are {clean.kind}.")
        ear = _Ear(words, self.rate)
        names = () if clean.tags is None else clean.tags.names
        tags = None if clean.tags is None else clean.tags.numbers.cpu().numpy()
        numbers = np.full((len(clean), words.length), UNTAGGED, dtype=np.int64)
        texts = np.empty(len(clean), dtype=object)
        for row, seed in enumerate(streams.seeds("recogniser", clean.ids)):
            spoken = split(str(clean.texts[row]))
            given = [UNTAGGED] * len(spoken)
            if tags is not None:
                known = tags[row].tolist()[: len(spoken)]
                given = known + [UNTAGGED] * (len(spoken) - len(known))
            written, carried = ear.hear(spoken, given, np.random.default_rng(int(seed)), names)
            texts[row] = " ".join(written)
            numbers[row, : len(carried)] = carried[: words.length]
        pairs = zip(clean.texts, texts, strict=True)
        hit = [row for row, (old, new) in enumerate(pairs) if split(str(old)) != split(str(new))]
        _, truth = spoiled(clean, np.array(hit, dtype=np.int64))
        inputs = torch.from_numpy(words.encode(list(texts)))
        noisy = clean.altered(_Written(inputs))
        told = None if tags is None else Tags(names, torch.from_numpy(numbers).to(clean.device))
        return replace(noisy, texts=texts, tags=told), truth


@dataclass(frozen=True)
class _Written:
    """The numbers of the words as a pure function of the row."""

    inputs: torch.Tensor

    def __call__(self, rows: Rows, raw: torch.Tensor) -> torch.Tensor:
        return self.inputs[torch.from_numpy(rows)]


class _Ear:
    """Mishears words."""

    def __init__(self, words: Words, rate: float) -> None:
        self._rate = rate
        frequent = [word for word in words.words[:AMONG] if len(word) <= SHORT and word.isalpha()]
        self._short = frequent or list(words.words[:1])
        self._alike: dict[str, list[str]] = defaultdict(list)  # the most frequent first
        for word in filter(str.isalpha, words.words):
            self._alike[sound(word)].append(word)

    def hear(
        self, spoken: list[str], tags: list[int], draw: np.random.Generator, names: tuple[str, ...]
    ) -> tuple[list[str], list[int]]:
        """Return what is written of a text, and the tags of its words."""
        outside = names.index(OUTSIDE) if OUTSIDE in names else UNTAGGED
        written: list[str] = []
        carried: list[int] = []
        for word, tag in zip(spoken, tags, strict=True):
            hit, how, which = draw.random(3)
            if hit >= self._rate:
                written, carried = [*written, word], [*carried, tag]
            elif how < LEFT and word in self._short:
                continue
            elif how >= 1 - ADDED:
                added = self._short[int(which * len(self._short))]
                written, carried = [*written, word, added], [*carried, tag, outside]
            else:
                written, carried = [*written, self._misheard(word, which)], [*carried, tag]
        if not written:
            return [self._short[0]], [outside]
        return written, carried

    def _misheard(self, word: str, which: float) -> str:
        alike = [other for other in self._alike.get(sound(word), ()) if other != word and word.isalpha()]
        if alike:
            return alike[int(which**2 * len(alike))]  # the first are the most frequent
        lost = int(which * len(word))
        return (word[:lost] + word[lost + 1 :]) or word * 2
