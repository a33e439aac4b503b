"""What samples look and sound like: read from the data again when asked for, and kept for a while."""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock

import numpy as np
import torch

from unchaff.data import audio, images
from unchaff.data.listing import UNLABELLED, Listing
from unchaff.data.load import is_made, listed, load
from unchaff.data.options import Options
from unchaff.errors import UnchaffError
from unchaff.report.thumbnails import media, written
from unchaff.report.views import Media
from unchaff.report.words import visible
from unchaff.review.suspects import Suspects
from unchaff.runs.asked import options_of, spec_of
from unchaff.runs.read import RunFolder
from unchaff.samples import Ids, Kind, Samples

ROOM = 128 * 2**20  # bytes of pictures and sounds that are kept
COLOUR = 3  # channels
Look = Callable[[int, str], Media]  # (position in the data, given label) -> what is there
BROKEN = (*images.BROKEN, *audio.BROKEN)


class Pictures:
    """The samples of a run as something to look at and to listen to; nothing is decoded beforehand."""

    def __init__(self, run: RunFolder, suspects: Suspects) -> None:
        """Find the data.

        Raises:
            UnchaffError: they are not where they were, or cannot be read any more.
        """
        self._ids = suspects.ids
        self._lock = Lock()
        self._kept: OrderedDict[int, Media] = OrderedDict()
        self._size = 0
        found = _found(spec_of(run), replace(options_of(run), lazy=None))
        self._look = found.look
        self._place = {id_: place for place, id_ in enumerate(found.ids.tolist())}
        self._given = [run.class_names[label] for label in suspects.labels.tolist()]
        self.notes = tuple(self._changes(run, [found.class_names[label] for label in found.labels]))

    def of(self, row: int) -> Media:
        """Return one sample; what cannot be read any more comes as a note that says so."""
        with self._lock:
            if row in self._kept:
                self._kept.move_to_end(row)
                return self._kept[row]
            found = _seen(self._read(row))
            self._kept[row] = found
            self._size += _size(found)
            while self._size > ROOM and len(self._kept) > 1:
                self._size -= _size(self._kept.popitem(last=False)[1])
            return found

    def _read(self, row: int) -> Media:
        place = self._place.get(self._ids[row])
        if place is None:
            return Media(note="not in the data any more")
        try:
            return self._look(place, self._given[row])
        except (UnchaffError, *BROKEN) as error:
            return Media(note=f"cannot be read: {' '.join(str(error).split()) or type(error).__name__}")

    def _changes(self, run: RunFolder, labels: list[str]) -> Iterator[str]:
        """Yield how the data differ from those of the run, as far as that is seen without decoding them."""
        where = f"{run.spec} may not be what the run read"
        places = [self._place.get(id_) for id_ in self._ids]
        missing = places.count(None)
        if missing:
            yield f"{where}: {missing} of {len(places)} samples are not in it."
        config = run.manifest["config"]
        if config.get("noise") in (None, "none") and not config.get("decisions"):
            pairs = zip(places, self._given, strict=True)
            other = sum(place is not None and labels[place] != given for place, given in pairs)
            if other:
                yield f"{where}: {other} samples have another label now."
        file, made = Path(run.spec).expanduser(), str(run.manifest.get("created", ""))
        if file.is_file() and _is_younger(file, made):
            yield f"{where}: it was written after the run."


@dataclass(frozen=True)
class _Found:
    """The data as they lie there now."""

    ids: Ids
    labels: Sequence[int]
    class_names: Sequence[str]
    look: Look


def _found(spec: str, options: Options) -> _Found:
    if not is_made(spec):
        listing = listed(spec, options)
        if listing.medium in ("text", "tabular") or not isinstance(listing.inputs, np.ndarray):
            usable = listing.at(np.flatnonzero(listing.labels != UNLABELLED))
            return _Found(usable.ids, usable.labels.tolist(), usable.class_names, of_listing(usable))
    samples = load(spec, replace(options, hub=None)).train
    return _Found(samples.ids, samples.labels.tolist(), samples.class_names, of_samples(samples))


def of_samples(samples: Samples) -> Look:
    """Return a look at samples that are read already."""

    def look(place: int, label: str) -> Media:
        if samples.texts is not None:
            return written(samples.texts[place])
        raw = samples.source.raw(np.array([place]))[0]
        return media(raw, samples.kind, label, columns=samples.columns)

    return look


def of_listing(listing: Listing) -> Look:
    """Return a look at inputs as they lie on the disk, in their own size, rate and length."""
    inputs, texts, columns = listing.inputs, listing.texts, listing.columns
    if texts is not None:
        return lambda place, _label: written(texts[place])
    if isinstance(inputs, np.ndarray):
        kind = Kind("tabular", inputs.shape[1:])
        numbers = inputs.astype(np.float32)
        return lambda place, label: media(torch.from_numpy(numbers[place]), kind, label, columns=columns)
    decoded = _picture if listing.medium == "image" else _sound
    return lambda place, label: decoded(inputs[place], label)


def _picture(data: bytes, label: str) -> Media:
    pixels = torch.from_numpy(images.decode(data, (COLOUR, None, None)))
    return media(pixels, Kind("image", tuple(pixels.shape)), label)


def _sound(data: bytes, label: str) -> Media:
    rate = audio.head_of(data).rate
    wave = torch.from_numpy(audio.decode(data, rate))
    return media(wave, Kind("audio", tuple(wave.shape), rate=rate), label)


def _seen(found: Media) -> Media:
    """Return a sample whose names cannot steer the words around them; its text is its own."""
    rows = tuple((visible(name), value) for name, value in found.rows)
    return replace(found, alt=visible(found.alt), note=visible(found.note), rows=rows)


def _size(found: Media) -> int:
    return len(found.image) + len(found.sound) + len(found.text) + 100


def _is_younger(file: Path, made: str) -> bool:
    try:
        return datetime.fromtimestamp(file.stat().st_mtime, UTC) > datetime.fromisoformat(made)
    except (ValueError, TypeError, OSError):  # the manifest says nothing that could be compared
        return False
