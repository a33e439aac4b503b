"""Folders of class folders with images or audio; an id is the path relative to the folder."""

import os
from pathlib import Path

import numpy as np

from unchaff.data.listing import Files, Listing, check_number_of_classes
from unchaff.data.options import Options
from unchaff.errors import DataError

IMAGES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp"})
AUDIO = frozenset({".wav", ".flac", ".ogg", ".mp3"})


def list_folder(folder: Path, options: Options) -> Listing:
    """Return the listing of a folder with one subfolder per class.

    Raises:
        DataError: no files of a known kind, or images and audio mixed.
    """
    by_class = {place.name: _files_in(place) for place in _subfolders(folder)}
    class_names = tuple(sorted(name for name, files in by_class.items() if files))
    files = [(path, label) for label, name in enumerate(class_names) for path in by_class[name]]
    _check_names([*class_names, *(path.name for path, _ in files)], folder)
    check_number_of_classes(len(class_names))
    if not files:
        raise DataError(
            f"{folder} holds no images or audio in class folders. Allowed are a folder per class with "
            f"{', '.join(sorted(IMAGES | AUDIO))} files, or train.parquet."
        )
    medium = _medium([path for path, _ in files], folder)
    if options.rows is not None:
        files = sorted(files, key=lambda one: _relative(one[0], folder))[: options.rows]
    return Listing(
        medium=medium,
        ids=np.array([_relative(path, folder) for path, _ in files]),
        labels=np.array([label for _, label in files], dtype=np.int64),
        class_names=class_names,
        inputs=Files(tuple(path for path, _ in files)),
        found=f"{len(class_names)} class folders of {medium} files (ids: relative paths)",
    )


def _subfolders(folder: Path) -> list[Path]:
    return sorted(place for place in folder.iterdir() if place.is_dir() and not place.name.startswith("."))


def _files_in(place: Path) -> list[Path]:
    return sorted(
        path for path in place.rglob("*") if path.suffix.lower() in IMAGES | AUDIO and path.is_file()
    )


def _relative(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix()


def _check_names(names: list[str], folder: Path) -> None:
    for name in names:
        try:
            name.encode()
        except UnicodeEncodeError as error:
            raise DataError(f"The name {os.fsencode(name)!r} in {folder} is not UTF-8. Rename it.") from error


def _medium(paths: list[Path], folder: Path) -> str:
    images = sum(path.suffix.lower() in IMAGES for path in paths)
    if 0 < images < len(paths):
        raise DataError(
            f"{folder} mixes {images} images and {len(paths) - images} audio files. Give one kind at a time."
        )
    return "image" if images else "audio"
