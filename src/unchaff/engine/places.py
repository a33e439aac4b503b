"""Files by path or address, here or on a store that fsspec knows."""

from io import IOBase
from pathlib import Path

import fsspec

from unchaff.data.load import is_made
from unchaff.data.parquet import split_files
from unchaff.errors import DataError

REMOTE = "://"  # in an address, and in no path


def local(file: str) -> Path | None:
    """Return the path of a file, None where it is the address of one elsewhere."""
    if file.startswith(f"file{REMOTE}"):
        return Path(file.removeprefix(f"file{REMOTE}"))
    return None if REMOTE in file else Path(file).expanduser()


def folder_of(file: str) -> Path:
    """Return the folder a file lies in, where names in it are looked up."""
    path = local(file)
    return Path() if path is None else path.parent


def opened(file: str) -> IOBase:
    """Open a file to be read.

    Raises:
        DataError: it is not there, or cannot be reached.
    """
    path = local(file)
    try:
        return path.open("rb") if path is not None else fsspec.open(file, "rb").open()
    except Exception as error:  # each kind of store has errors of its own
        raise DataError(f"{file} cannot be opened ({error}). Give a place that all workers reach.") from error


def tables(spec: str) -> list[str]:
    """Return the Parquet files a spec names, by absolute paths or addresses; none: it names other data.

    A folder is read as everywhere: `train.parquet` or its shards; else all Parquet files in it.

    Raises:
        DataError: there is nothing at an address.
    """
    path = None if is_made(spec) else local(spec)
    if path is not None:
        if path.suffix.lower() == ".parquet" and path.is_file():
            return [str(path.resolve())]
        found = (split_files(path, "train") or sorted(path.glob("*.parquet"))) if path.is_dir() else []
        return [str(each.resolve()) for each in found]
    return _addresses(spec) if REMOTE in spec else []


def _addresses(spec: str) -> list[str]:
    try:
        files, root = fsspec.core.url_to_fs(spec)
        found = [root] if files.isfile(root) else sorted(files.glob(f"{root.rstrip('/')}/*.parquet"))
        whole = [str(files.unstrip_protocol(each)) for each in found]
    except Exception as error:  # each kind of store has errors of its own
        raise DataError(
            f"{spec} cannot be reached ({error}). Give a place that all workers reach."
        ) from error
    if not whole:
        raise DataError(
            f"There is no .parquet file at {spec}. Give an address of one, or of a folder of them."
        )
    return whole
