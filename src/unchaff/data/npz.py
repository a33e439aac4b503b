"""NumPy archives: x, y and, if there, ids, class_names, x_test, y_test. Nothing pickled is read."""

import struct
import tokenize
import zipfile
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unchaff import limits
from unchaff.data.dataset import list_arrays
from unchaff.data.labels import labels_of
from unchaff.data.listing import Listing
from unchaff.data.options import Options
from unchaff.errors import DataError
from unchaff.listed import listed

NAMES = ("x", "y", "ids", "class_names", "x_test", "y_test")  # all that is read of an archive
SHOWN = 10  # names in a message
# What numpy and zipfile raise over a broken file differs from one broken place to another.
BROKEN = (
    *(OSError, EOFError, ValueError, TypeError, AttributeError, KeyError, SyntaxError, RuntimeError),
    *(MemoryError, OverflowError, zipfile.BadZipFile, zlib.error, struct.error, tokenize.TokenError),
)


def list_npz(path: Path, options: Options) -> tuple[Listing, Listing | None]:
    """Return the listings of the training part and, if x_test is there, of the test part.

    Raises:
        DataError: x or y is missing, or holds Python objects.
    """
    arrays = _read(path)
    single = [
        name for name, each in arrays.items() if each.ndim == 0 or (name == "class_names" and each.ndim > 1)
    ]
    if single:
        raise DataError(f"{', '.join(single)} in {path} must be a list. Save one value per sample or class.")
    names = arrays.get("class_names")
    if names is None and "y_test" in arrays:
        if len({arrays[name].dtype.kind in "US" for name in ("y", "y_test")}) > 1:
            raise DataError(
                f"{path} has names in one of y and y_test, numbers in the other. Save both alike."
            )
        names = np.array(labels_of(np.concatenate([arrays["y"].ravel(), arrays["y_test"].ravel()]))[1])
    found = "a NumPy archive"
    train = list_arrays(
        arrays["x"], arrays["y"], ids=arrays.get("ids"), class_names=names, options=options, found=found
    )
    if "x_test" not in arrays or "y_test" not in arrays:
        return train, None
    whole = Options(rate=options.rate)
    test = list_arrays(arrays["x_test"], arrays["y_test"], class_names=names, options=whole, found=found)
    return train, test


def _read(path: Path) -> dict[str, NDArray[np.generic]]:
    try:
        _check_unpacked(path)
        with np.load(path, allow_pickle=False) as archive:
            _check_names(path, archive.files)
            return {name: archive[name] for name in NAMES if name in archive.files}
    except DataError:
        raise
    except BROKEN as error:
        if "allow_pickle" in str(error):
            raise DataError(
                f"{path} holds Python objects, which could run code when read. Save plain numeric arrays."
            ) from error
        raise DataError(f"{path} cannot be read as a NumPy archive: {error}. Give another file.") from error


def _check_names(path: Path, held: list[str]) -> None:
    missing = [name for name in ("x", "y") if name not in held]
    if missing:
        raise DataError(
            f"{path} lacks {' and '.join(missing)}; it holds {listed(held, SHOWN) or 'nothing'}. "
            "Save the inputs as x and the labels as y."
        )


def _check_unpacked(path: Path) -> None:
    with zipfile.ZipFile(path) as packed:
        size = sum(each.file_size for each in packed.infolist())
    if size > limits.TABLE_BYTES.value:
        raise DataError(f"{path} unpacks to {size:,} bytes, {limits.TABLE_BYTES}. Save fewer rows.")
