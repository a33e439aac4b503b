"""What every format is read into before anything is decoded: inputs, labels and ids, row by row."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from unchaff import limits
from unchaff.data.prepare import Prepare
from unchaff.errors import DataError
from unchaff.packing import Layout
from unchaff.samples import Augmentation, Ids, Kind, Rows, Source

UNLABELLED = -1


@runtime_checkable
class Encoded(Protocol):
    """Inputs as the bytes of an image or audio file."""

    def __len__(self) -> int:
        """Return the number of inputs."""
        ...

    def __getitem__(self, row: int) -> bytes:
        """Return the bytes of one file; empty where there are none."""
        ...


@dataclass(frozen=True)
class Files:
    """One file per input, in one folder or below it."""

    folder: Path
    names: Ids  # relative paths; an array, as there may be millions

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, row: int) -> bytes:
        return content_of(self.folder / str(self.names[row]))


@dataclass(frozen=True)
class Subset:
    """Some of the encoded inputs, in another order."""

    encoded: Encoded
    rows: Rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, row: int) -> bytes:
        return self.encoded[int(self.rows[row])]


@dataclass(frozen=True, kw_only=True)
class Listing:
    """A data set before decoding."""

    medium: str  # "image", "audio", "text", "tabular" or "packed"
    ids: Ids
    labels: NDArray[np.int64]  # UNLABELLED where there is none
    class_names: tuple[str, ...]
    inputs: Encoded | NDArray[np.generic]  # an array when there is nothing to decode
    groups: Ids | None = None
    columns: tuple[str, ...] = ()  # names of those of a table of numbers
    layout: Layout | None = None  # of packed inputs
    tags: NDArray[np.object_] | None = None  # a list of names for each text
    found: str = ""  # where it was found, as part of a sentence: "a Parquet file, column img"

    @property
    def texts(self) -> NDArray[np.object_] | None:
        """The inputs, where they are texts."""
        is_text = self.medium == "text" and isinstance(self.inputs, np.ndarray)
        return self.inputs if is_text else None  # type: ignore[return-value]

    def at(self, rows: Rows) -> "Listing":
        """Return the listing of these rows."""
        inputs = self.inputs
        chosen = inputs[rows] if isinstance(inputs, np.ndarray) else Subset(inputs, rows)
        groups = None if self.groups is None else self.groups[rows]
        tags = None if self.tags is None else self.tags[rows]
        return replace(
            self, ids=self.ids[rows], labels=self.labels[rows], inputs=chosen, groups=groups, tags=tags
        )


@dataclass(frozen=True, kw_only=True)
class Decoded:
    """The readable rows of a listing as a source, and why the others are not."""

    source: Source
    kind: Kind
    prepare: Prepare
    rows: Rows  # the readable rows, in order
    bad: Mapping[int, str] = field(default_factory=dict)  # reason by row
    notes: tuple[str, ...] = ()
    augmentation: Augmentation | None = None  # how training changes a batch; None: as the kind allows


def content_of(file: Path) -> bytes:
    """Return the bytes of one image or sound.

    Raises:
        DataError: it is no plain file, which might never end, or a larger one than is allowed.
    """
    if not file.is_file():
        raise DataError(f"there is no file {file}")
    size = file.stat().st_size
    if size > limits.FILE_BYTES.value:
        raise DataError(f"{size:,} bytes, {limits.FILE_BYTES}")
    return file.read_bytes()


def inside(folder: Path, path: str) -> Path:
    """Return a file that a table names, which must lie in the folder of the table, links followed.

    Raises:
        DataError: it lies elsewhere, or no file can be called so.
    """
    try:
        file = (folder / path).resolve()
        file.is_file()
    except (OSError, ValueError) as error:
        raise DataError(f"{path[:80]!r} is no name of a file") from error
    if not file.is_relative_to(folder.resolve()):
        raise DataError(f"the path {path} leads out of the folder of the table, and is not followed")
    return file


def numbered(names: tuple[str, ...] | None, labels: NDArray[np.int64]) -> tuple[str, ...]:
    """Return the class names, or the numbers up to the highest label as names.

    Raises:
        DataError: there are more than a network could tell apart.
    """
    number = int(labels.max(initial=0)) + 1 if names is None else len(names)
    check_number_of_classes(number)
    return tuple(map(str, range(number))) if names is None else names


def check_number_of_classes(number: int) -> None:
    """Refuse more classes than are allowed.

    Raises:
        DataError: the label column is no label, most likely.
    """
    if number > limits.CLASSES.value:
        raise DataError(
            f"There would be {number:,} classes, {limits.CLASSES}. Name the column of labels with "
            "--label-column, or number the classes from 0 without gaps."
        )


def good_rows(count: int, bad: Mapping[int, str]) -> Rows:
    """Return the rows that are not bad."""
    return np.array([row for row in range(count) if row not in bad], dtype=np.int64)
