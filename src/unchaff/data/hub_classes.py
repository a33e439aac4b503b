"""Classes of the data and outputs of a model folder, matched by name."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from unchaff.data.listing import UNLABELLED, Listing
from unchaff.errors import DataError
from unchaff.hub import Folder
from unchaff.listed import listed

SHOWN = 8  # names in a message


def with_classes_of(listing: Listing, folder: Folder) -> tuple[Listing, tuple[str, ...]]:
    """Return the listing with labels that count the outputs of the folder, and what there is to say of it.

    Names are matched as they are, else without regard to case. Where one side has numbers only, the
    number is the place of the output.

    Raises:
        DataError: a class of the data has no output, or it cannot be told which.
    """
    theirs, own = folder.class_names, listing.class_names
    if all(name.isdecimal() for name in own) and not set(own) <= set(theirs or ()):
        return _by_number(listing, folder), ()
    if theirs is None:
        if len(own) != folder.num_labels:
            raise DataError(
                f"{folder.path} tells {folder.num_labels} classes apart, without names; the data have "
                f"{_shown(own)}. Give data of the same classes, or name them in id2label of config.json."
            )
        note = f"{folder.path} does not name its outputs: they are taken for {_shown(own)}, in this order."
        return listing, (note,)
    places = _places(own, theirs)
    unknown = [name for name, place in zip(own, places, strict=True) if place is None]
    if unknown:
        raise DataError(
            f"The data have the classes {_shown(own)}, but {folder.path} tells {_shown(theirs)} apart. Give "
            "data of the same classes, or a folder for these."
        )
    return _renumbered(listing, [place or 0 for place in places], theirs), ()


def _places(own: Sequence[str], theirs: Sequence[str]) -> list[int | None]:
    """Return the output of each class of the data, None where there is none."""
    for form in (str, _folded):
        named = [form(name) for name in theirs]
        found = [named.index(form(name)) if named.count(form(name)) == 1 else None for name in own]
        known = [place for place in found if place is not None]
        if len(known) == len(own) and len(set(known)) == len(known):
            break
    return found


def _folded(name: str) -> str:
    return " ".join(name.replace("_", " ").split()).casefold()


def _by_number(listing: Listing, folder: Folder) -> Listing:
    numbers = [int(name) for name in listing.class_names]
    if len(numbers) > folder.num_labels or max(numbers) >= folder.num_labels:
        raise DataError(
            f"The data have the classes {_shown(listing.class_names)}, but {folder.path} tells only "
            f"{folder.num_labels} apart (0 to {folder.num_labels - 1}). Give data of the same classes."
        )
    names = folder.class_names or tuple(str(number) for number in range(folder.num_labels))
    return _renumbered(listing, numbers, names)


def _renumbered(listing: Listing, places: list[int], names: tuple[str, ...]) -> Listing:
    known = (listing.labels >= 0) & (listing.labels < len(places))
    moved = np.array(places, dtype=np.int64)[np.where(known, listing.labels, 0)]
    # A label without a class stays outside, to be refused with all others of its kind.
    outside = np.where(listing.labels == UNLABELLED, UNLABELLED, len(names))
    return replace(listing, labels=np.where(known, moved, outside), class_names=names)


def _shown(names: Sequence[str]) -> str:
    return listed(names, SHOWN)
