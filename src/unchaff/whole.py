"""One file, written aside and then renamed: it is whole, or as it was; tables for it, and JSON read back."""

import io
import json
import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unchaff.errors import RunFolderError, WriteError

if TYPE_CHECKING:
    import pyarrow as pa


def put(file: Path, content: bytes) -> None:
    """Write the content; the folder is made, and nothing is left of a write that failed.

    Raises:
        WriteError: the disk is full, the folder is read-only, or the like; the file is as it was.
    """
    aside = file.with_name(f".{file.name}.{os.getpid()}.part")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        aside.write_bytes(content)
        aside.replace(file)
    except OSError as error:
        raise WriteError(
            f"{file} could not be written ({error.strerror or error}); it is as it was. Make room, or see to "
            "the permissions. A run that was given --out goes on with --resume."
        ) from error
    finally:
        with suppress(OSError):
            aside.unlink(missing_ok=True)


def parquet(table: "pa.Table") -> bytes:
    """Return a table as the bytes of a Parquet file; the same table gives the same bytes."""
    import pyarrow.parquet as pq  # most who write a file need none of it

    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    return buffer.getvalue()


def object_in(file: Path, *, otherwise: str) -> dict[str, Any]:
    """Return the object of a JSON file.

    Args:
        file: its path.
        otherwise: what to do where it cannot be read, as a sentence.

    Raises:
        RunFolderError: it cannot be read, or holds something else.
    """
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise RunFolderError(f"{file} is not readable JSON ({error}). {otherwise}") from error
    if not isinstance(content, dict):
        raise RunFolderError(f"{file} holds {type(content).__name__}, not an object. {otherwise}")
    return content
