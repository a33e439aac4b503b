"""The folder of a run that many processes write to: on a shared disk, or any place that fsspec knows."""

import hashlib
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
from fsspec.implementations.local import LocalFileSystem
from torch import Tensor

from unchaff import whole
from unchaff.engine.places import REMOTE
from unchaff.errors import RunFolderError, WriteError
from unchaff.shards import sealed, unsealed

SEAL = hashlib.sha256().digest_size  # bytes
SQUEEZED = re.compile(r"^([a-z][a-z0-9+]{1,9}):/(?!/)")  # what pathlib makes of the two slashes of an address


def address(place: str | Path) -> str:
    """Return a folder as any process can name it: whole, or as an address with both of its slashes."""
    named = SQUEEZED.sub(r"\1://", str(place))
    return named if REMOTE in named else str(Path(named).expanduser().resolve())


@dataclass(frozen=True)
class Store:
    """Files below one address. Each is whole or not there, and none is changed once it is."""

    place: str

    @cached_property
    def opened(self) -> tuple[fsspec.AbstractFileSystem, str]:
        """The file system the folder lies on, and its path there.

        Raises:
            RunFolderError: its library is not installed.
        """
        try:
            return fsspec.core.url_to_fs(self.place)
        except (ImportError, ValueError) as error:
            raise RunFolderError(
                f"{self.place} cannot be reached ({error}). Give a folder that all workers share, or an "
                "address whose library is installed."
            ) from error

    def path(self, name: str = "") -> str:
        """Return where a file lies, as messages name it."""
        return f"{self.place.rstrip('/')}/{name}"

    def put(self, name: str, content: bytes) -> None:
        """Write a file whole.

        Raises:
            WriteError: it could not be written; nothing is left of it.
        """
        files, root = self.opened
        if isinstance(files, LocalFileSystem):
            whole.put(Path(root) / name, content)
            return
        try:
            files.pipe_file(f"{root}/{name}", content)  # object stores show what is there once all of it is
        except Exception as error:  # each kind of store has errors of its own
            raise WriteError(f"{self.path(name)} could not be written ({error}).") from error

    def read(self, name: str) -> bytes | None:
        """Return a file; None where there is none."""
        files, root = self.opened
        try:
            return files.cat_file(f"{root}/{name}")
        except FileNotFoundError:
            return None

    def names(self, folder: str = "") -> list[str]:
        """Return what lies in a folder of it, sorted; nothing where there is no such folder."""
        files, root = self.opened
        files.invalidate_cache()
        try:
            found = files.ls(f"{root}/{folder}".rstrip("/"), detail=False)
        except (FileNotFoundError, NotADirectoryError):
            return []
        last = (Path(each).name for each in found)
        return sorted(each for each in last if not each.startswith("."))

    def drop(self, name: str) -> None:
        """Delete a file or a folder, if it is there."""
        files, root = self.opened
        if files.exists(f"{root}/{name}"):
            files.rm(f"{root}/{name}", recursive=True)

    def put_sealed(self, name: str, table: pa.Table) -> None:
        """Write a table behind the hash of its bytes, for us alone to read: fast, and not small."""
        buffer = io.BytesIO()
        with pa.ipc.new_file(buffer, table.schema) as file:
            file.write_table(table)
        content = buffer.getvalue()
        self.put(name, hashlib.sha256(content).digest() + content)

    def sealed(self, name: str) -> pa.Table | None:
        """Return such a table; None where it is not there, or is not as it was written."""
        found = self.read(name) or b""
        seal, content = found[:SEAL], found[SEAL:]
        if hashlib.sha256(content).digest() != seal:
            return None
        return pa.ipc.open_file(pa.BufferReader(content)).read_all()

    def put_state(self, name: str, tensors: Mapping[str, Tensor], about: Mapping[str, object]) -> None:
        """Write tensors and plain values."""
        self.put(name, sealed(tensors, about))

    def state(self, name: str) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        """Return them; None where they are not there, or are not as they were written."""
        content = self.read(name)
        if content is None:
            return None
        try:
            return unsealed(content)
        except ValueError:
            return None
