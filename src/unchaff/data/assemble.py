"""From a listing to Samples: decode, leave out what cannot be used, settle the classes."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from unchaff.data import arrays, audio, images, packed, tagged, tokens, words
from unchaff.data.hub_classes import with_classes_of
from unchaff.data.listing import UNLABELLED, Decoded, Listing
from unchaff.data.options import Loaded, Options, Skipped
from unchaff.data.prepare import Prepare
from unchaff.data.words import Words
from unchaff.errors import ConfigError, DataError
from unchaff.hub import PLURAL, Folder, opened
from unchaff.samples import Kind, Samples, Tags, canonical

SHOWN = 5  # ids named in a message
NO_LABEL = "label of -1, or an empty one, means that there is none"


@dataclass(frozen=True, kw_only=True)
class Assembled:
    """Samples and what was done to get them."""

    samples: Samples
    prepare: Prepare
    skipped: tuple[Skipped, ...]
    notes: tuple[str, ...]


def assemble(
    listing: Listing, options: Options, *, like: Loaded | None = None, is_part: bool = False
) -> Assembled:
    """Return the samples of a listing; with `like`, of the same classes, shape and preparation.

    Args:
        listing: what there is.
        options: how to read it.
        like: the training data, where these are others.
        is_part: these are some of the rows, which may all be of one class.

    Raises:
        DataError: nothing usable, one class only, other classes than `like`; anything skipped if strict.
        ConfigError: an option is for other kinds of data.
    """
    if listing.layout is None:
        options.refuse_unfit(listing.medium, is_array=isinstance(listing.inputs, np.ndarray))
    folder = None if options.hub is None else _for_medium(opened(options.hub), listing.medium)
    said: tuple[str, ...] = ()
    if folder is not None:
        listing, said = with_classes_of(listing, folder)
    if like is not None:
        listing = _with_columns_of(_with_classes_of(listing, like.train), like.train)
    order = np.argsort(listing.ids, kind="stable")
    listing = listing.at(order)  # so that nothing below depends on the order the data came in
    labelled = listing.at(np.flatnonzero(listing.labels != UNLABELLED))
    if not len(labelled.ids):
        raise DataError(f"None of the {len(listing.ids)} rows has a label. Give labelled data.")
    decoded = _decoded(labelled, options, like, folder)
    _check_scale(options, decoded.kind)
    skipped = [Skipped(i, "no label") for i in listing.ids[listing.labels == UNLABELLED].tolist()]
    skipped += [Skipped(labelled.ids[row].item(), why) for row, why in sorted(decoded.bad.items())]
    if options.strict and skipped:
        raise DataError(
            f"{len(skipped)} samples cannot be used: {_shown(skipped)}. "
            "Correct them, or read without --strict."
        )
    usable = labelled.at(decoded.rows)
    if like is None and not is_part:
        fewer = len(labelled.ids) < len(listing.ids)
        check_classes(np.unique(usable.labels), usable.class_names, has_unlabelled=fewer)
    samples = canonical(
        usable.ids,
        torch.from_numpy(usable.labels),
        class_names=usable.class_names,
        kind=decoded.kind,
        source=decoded.source,
        groups=usable.groups,
    )
    changes = options.augment or decoded.augmentation
    # Texts and columns are sorted by id already.
    samples = replace(
        samples,
        augmentation=changes,
        texts=usable.texts,
        columns=usable.columns,
        tags=_tags(usable, decoded.prepare, like),
    )
    notes = (*said, *decoded.notes)
    return Assembled(samples=samples, prepare=decoded.prepare, skipped=tuple(skipped), notes=notes)


def _decoded(listing: Listing, options: Options, like: Loaded | None, folder: Folder | None) -> Decoded:
    kind = None if like is None else like.train.kind
    prepare = None if like is None else like.prepare
    if kind is not None and kind.name != listing.medium:
        raise DataError(f"This data is of kind {listing.medium}, the training data of kind {kind.name}.")
    if listing.texts is not None and folder is not None:
        return tokens.settle(listing.texts, options, folder, kind=kind, prepare=prepare)
    if listing.texts is not None:
        if listing.tags is not None:
            tagged.check_tags(listing.texts, listing.tags, listing.ids)
            options = replace(options, length=options.length or tagged.longest(list(listing.texts)))
        return words.settle(listing.texts, options, kind=kind, prepare=prepare)
    if listing.layout is not None and isinstance(listing.inputs, np.ndarray):
        return packed.settle(listing.inputs, listing.layout, kind=kind)
    if isinstance(listing.inputs, np.ndarray):
        return arrays.settle(
            listing.inputs, listing.medium, options, kind=kind, prepare=prepare, folder=folder
        )
    read = images.decode_all if listing.medium == "image" else audio.decode_all
    return read(listing.inputs, options, kind=kind, prepare=prepare, folder=folder)


def _tags(listing: Listing, prepare: Prepare, like: Loaded | None) -> Tags | None:
    """Return the tags of texts that are read word by word, where the training data have some too."""
    known = None if like is None else like.train.tags
    if listing.texts is None or listing.tags is None or not isinstance(prepare, Words):
        return None
    if like is not None and known is None:
        return None
    return tagged.settle(listing.texts, listing.tags, prepare, names=() if known is None else known.names)


def _for_medium(folder: Folder, medium: str) -> Folder:
    if folder.task != medium:
        raise DataError(
            f"{folder.path} classifies {PLURAL[folder.task]}, and the data are of kind {medium}. "
            f"Give {PLURAL[folder.task]}, or another --model."
        )
    return folder


def _check_scale(options: Options, kind: Kind) -> None:
    """Refuse a mean or deviation for other channels or columns than there are."""
    if kind.name not in ("image", "tabular"):
        return
    for name, given in (("mean", options.mean), ("std", options.std)):
        if given is not None and len(given) not in (1, kind.shape[0]):
            raise ConfigError(
                f"{name} holds {len(given)} numbers, and the data are {kind}. Give one, or {kind.shape[0]}."
            )


def left_out(skipped: Sequence[Skipped]) -> list[str]:
    """Return how many samples cannot be used, and why; nothing where there are none."""
    if not skipped:
        return []
    reasons = Counter(one.reason for one in skipped)
    told = ", ".join(f"{reason}: {number}" for reason, number in reasons.most_common(SHOWN))
    some = ", ".join(str(one.id) for one in skipped[:SHOWN])
    unlabelled = f" A {NO_LABEL}." if "no label" in reasons else ""
    is_one = len(skipped) == 1
    number = "1 sample cannot be used and is" if is_one else f"{len(skipped)} samples cannot be used and are"
    return [f"{number} left out ({told}), such as {some}.{unlabelled}"]


def _shown(skipped: list[Skipped]) -> str:
    named = "; ".join(f"{one.id}: {one.reason}" for one in skipped[:SHOWN])
    return named + (f"; and {len(skipped) - SHOWN} more" if len(skipped) > SHOWN else "")


def check_classes(present: NDArray[np.int64], names: tuple[str, ...], *, has_unlabelled: bool) -> None:
    """Refuse usable samples that are all of one class.

    Args:
        present: the classes that occur.
        names: of all classes.
        has_unlabelled: whether other samples have no label.

    Raises:
        DataError: they are.
    """
    if len(present) < 2:
        only = int(present[0])
        name = names[only] if 0 <= only < len(names) else only
        others = f"; a {NO_LABEL}" if has_unlabelled else ""
        raise DataError(f"All usable samples are of one class, {name}{others}. At least two are needed.")


def places_among(names: tuple[str, ...], known: tuple[str, ...]) -> NDArray[np.int64]:
    """Return which of the classes of the training data each of these is.

    Raises:
        DataError: one of them is none of those.
    """
    unknown = [name for name in names if name not in known]
    if unknown:
        raise DataError(
            f"The classes differ: {', '.join(unknown[:SHOWN])} not among those of the training data "
            f"({', '.join(known[:10])}). Give data with the same classes."
        )
    return np.array([known.index(name) for name in names], dtype=np.int64)


def check_alike(samples: Samples, train: Samples) -> None:
    """Refuse samples that are read already and are of another kind or shape than the training data.

    Raises:
        DataError: they are.
    """
    given, known = samples.kind, train.kind
    if (given.name, given.rate, given.layout) != (known.name, known.rate, known.layout):
        raise DataError(f"Samples hold {given}, the training data {known}. Give both the same.")
    arrays.check_shape(given.shape, known)


def _with_columns_of(listing: Listing, train: Samples) -> Listing:
    """Return the listing of a table with its columns in the order of those of the training data, by name."""
    names, known = listing.columns, train.columns
    if not names or not known or names == known:
        return listing
    if set(names) != set(known):
        lacking = [name for name in known if name not in names] or [one for one in names if one not in known]
        raise DataError(
            f"The columns differ from those of the training data: {', '.join(lacking[:SHOWN])} "
            f"{'is' if len(lacking) == 1 else 'are'} in one of the two only. Give the same columns."
        )
    order = [names.index(name) for name in known]
    return replace(listing, inputs=np.asarray(listing.inputs)[:, order], columns=known)


def _with_classes_of(listing: Listing, train: Samples) -> Listing:
    places = places_among(listing.class_names, train.class_names)
    inside = (listing.labels >= 0) & (listing.labels < len(places))
    labels = np.where(inside, places[np.where(inside, listing.labels, 0)], listing.labels)
    return replace(listing, labels=labels, class_names=train.class_names)
