"""Tags of the words of texts, brought to the places that the words have in the inputs."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from unchaff import limits
from unchaff.data.words import LONGEST, Words, split
from unchaff.errors import DataError
from unchaff.samples import UNTAGGED, Ids, Tags

OUTSIDE = "O"


def pieces(text: str, tags: Sequence[str | None]) -> tuple[list[str], list[str | None]]:
    """Return the words of a text as a network reads them, and the tag of each.

    Tags belong to what stands between blanks. Where that is several words to us, the first has its tag and
    the others have none, as the hub libraries do it.

    >>> pieces("isn't it", ["O", "B-thing"])
    (['isn', "'", 't', 'it'], ['O', None, None, 'B-thing'])
    """
    found: list[str] = []
    given: list[str | None] = []
    for word, tag in zip(text.split(), tags, strict=True):
        parts = split(word)
        found += parts
        given += ([tag] + [None] * (len(parts) - 1)) if parts else []
    return found, given


def check_tags(texts: NDArray[np.object_], tags: NDArray[np.object_], ids: Ids) -> None:
    """Check that there is a tag for each word.

    Raises:
        DataError: a text has more or fewer.
    """
    for text, each, one in zip(texts, tags, ids, strict=True):
        words = len(str(text or "").split())
        if words != len(each):
            raise DataError(
                f"The text {one.item()!r} has {words} words between blanks and {len(each)} tags. Give one "
                "tag for each word, or leave the column out."
            )


def names_of(tags: NDArray[np.object_]) -> tuple[str, ...]:
    """Return the names that occur, that of words outside first.

    Raises:
        DataError: there are far too many.
    """
    names = sorted({name for each in tags for name in each} - {OUTSIDE})
    if len(names) >= limits.CLASSES.value:
        raise DataError(f"There would be {len(names):,} tags, {limits.CLASSES}. Leave the column out.")
    return (OUTSIDE, *names)


def longest(texts: Sequence[str]) -> int:
    """Return the words of the longest text: a word that is not read has no tag."""
    return min(max((len(split(str(text or ""))) for text in texts), default=1), LONGEST)


def settle(
    texts: NDArray[np.object_], tags: NDArray[np.object_], words: Words, *, names: tuple[str, ...] = ()
) -> Tags:
    """Return the tags by the places of the words; names that are not known yet come last."""
    numbers = np.full((len(texts), words.length), UNTAGGED, dtype=np.int64)
    names += tuple(name for name in names_of(tags) if name not in names)
    places = {name: place for place, name in enumerate(names)}
    for row, text, each in zip(numbers, texts, tags, strict=True):
        _, given = pieces(str(text), each)
        found = [UNTAGGED if tag is None else places[tag] for tag in given[: words.length]]
        row[: len(found)] = found
    return Tags(names, torch.from_numpy(numbers))


def spelled(texts: NDArray[np.object_], tags: Tags) -> list[list[str]]:
    """Return a tag for each word between blanks of texts that were written word by word.

    A further piece of a word goes on with the tag before it.
    """
    rows = []
    for text, numbers in zip(texts, tags.numbers.tolist(), strict=True):
        row: list[str] = []
        for place in range(len(str(text).split())):
            number = numbers[place] if place < len(numbers) else UNTAGGED
            name = row[-1].partition("-")[2] if row else ""
            row.append(tags.names[number] if number != UNTAGGED else f"I-{name}" if name else OUTSIDE)
        rows.append(row)
    return rows
