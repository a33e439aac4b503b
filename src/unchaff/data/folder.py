"""Folders of class folders with images or audio; an id is the path relative to the folder."""

import os
from pathlib import Path, PurePosixPath

import numpy as np

from unchaff.data.listing import Files, Listing, check_number_of_classes
from unchaff.data.options import Options
from unchaff.errors import DataError
from unchaff.samples import Ids

IMAGES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm"})
AUDIO = frozenset({".wav", ".flac", ".ogg", ".mp3"})


def list_folder(folder: Path, options: Options) -> Listing:
    """Return the listing of a folder with one subfolder per class.

    Raises:
        DataError: no files of a known kind, or images and audio mixed.
    """
    by_class = {place.name: _files_in(place, folder) for place in _subfolders(folder)}
    class_names = tuple(sorted(name for name, files in by_class.items() if files))
    found = [name for each in class_names for name in by_class[each]]
    _check_names([*class_names, *found], folder)
    check_number_of_classes(len(class_names))
    names = np.array(found)
    labels = np.repeat(np.arange(len(class_names)), [len(by_class[each]) for each in class_names])
    if not len(names):
        raise DataError(
            f"{folder} holds no images or audio in class folders. Allowed are a folder per class with "
            f"{', '.join(sorted(IMAGES | AUDIO))} files, or train.parquet."
        )
    medium = _medium(names, folder)
    if options.rows is not None:
        first = np.argsort(names, kind="stable")[: options.rows]
        names, labels = names[first], labels[first]
    return Listing(
        medium=medium,
        ids=names,
        labels=labels,
        class_names=class_names,
        inputs=Files(folder, names),
        found=f"{len(class_names)} class folders of {medium} files (ids: relative paths)",
    )


def _subfolders(folder: Path) -> list[Path]:
    return sorted(place for place in folder.iterdir() if place.is_dir() and not place.name.startswith("."))


def _files_in(place: Path, folder: Path) -> list[str]:
    """Return the paths, relative to the folder, of the files of a known kind."""
    paths = (path for path in place.rglob("*") if path.suffix.lower() in IMAGES | AUDIO and path.is_file())
    return sorted(path.relative_to(folder).as_posix() for path in paths)


def _check_names(names: list[str], folder: Path) -> None:
    for name in names:
        try:
            name.encode()
        except UnicodeEncodeError as error:
            raise DataError(f"The name {os.fsencode(name)!r} in {folder} is not UTF-8. Rename it.") from error


def _medium(names: Ids, folder: Path) -> str:
    images = sum(PurePosixPath(name).suffix.lower() in IMAGES for name in names.tolist())
    if 0 < images < len(names):
        raise DataError(
            f"{folder} mixes {images} images and {len(names) - images} audio files. Give one kind at a time."
        )
    return "image" if images else "audio"
