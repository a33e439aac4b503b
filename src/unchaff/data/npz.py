"""NumPy archives: x, y and, if there, ids, class_names, x_test, y_test. Nothing pickled is read."""

import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unchaff.data.dataset import list_arrays
from unchaff.data.listing import Listing
from unchaff.data.options import Options
from unchaff.errors import DataError


def list_npz(path: Path, options: Options) -> tuple[Listing, Listing | None]:
    """Return the listings of the training part and, if x_test is there, of the test part.

    Raises:
        DataError: x or y is missing, or holds Python objects.
    """
    arrays = _read(path)
    missing = [name for name in ("x", "y") if name not in arrays]
    if missing:
        raise DataError(
            f"{path} lacks {' and '.join(missing)}; it holds {', '.join(arrays) or 'nothing'}. Save x and y."
        )
    names = arrays.get("class_names")
    if names is None and "y_test" in arrays and arrays["y_test"].ndim == 1:
        highest = max(int(arrays[name].max(initial=0)) for name in ("y", "y_test"))
        names = np.arange(highest + 1).astype(str)
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
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except ValueError as error:
        raise DataError(
            f"{path} holds Python objects, which could run code when read. Save plain numeric arrays."
        ) from error
    except (OSError, EOFError, zipfile.BadZipFile, AttributeError) as error:
        raise DataError(f"{path} cannot be read as a NumPy archive: {error}. Give another file.") from error
