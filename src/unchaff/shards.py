"""Numbers of every sample, in Parquet files that follow one another; wide ones are read from there."""

import hashlib
import json
import os
import shutil
import tempfile
import weakref
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import safetensors
import safetensors.torch
import torch
from jaxtyping import Float, Shaped
from numpy.typing import NDArray
from torch import Tensor

from unchaff.whole import parquet

DIGEST = b"sha256"  # what is said of a file
ABOUT, SEAL = "about", "sha256"  # what is said of a state
HELD = 4_000_000  # numbers of one column that are held in memory; more are left in the files
Columns = Mapping[str, Shaped[Tensor, " n *width"]]  # one number per sample, or one row of them


class Scratch:
    """A folder that is gone when nothing refers to it any more."""

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="unchaff-"))
        weakref.finalize(self, _removed, self.path, os.getpid())


def _removed(path: Path, owner: int) -> None:
    if os.getpid() == owner:  # and not a worker that was forked off
        shutil.rmtree(path, ignore_errors=True)


def digest(tensors: Mapping[str, Tensor], about: str = "") -> str:
    """Return a hash of these numbers and of what is said of them."""
    digest = hashlib.sha256(about.encode(errors="surrogatepass"))
    for name in sorted(tensors):
        each = tensors[name]
        digest.update(f"{name} {each.dtype} {tuple(each.shape)}".encode(errors="surrogatepass"))
        digest.update(each.contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def sealed(tensors: Mapping[str, Tensor], about: Mapping[str, object]) -> bytes:
    """Return tensors and plain values as the bytes of one safetensors file."""
    plain = {name: each.detach().cpu().contiguous().clone() for name, each in tensors.items()}
    said = json.dumps(about)
    return safetensors.torch.save(plain, {ABOUT: said, SEAL: digest(plain, said)})


def unsealed(content: bytes) -> tuple[dict[str, Tensor], dict[str, object]]:
    """Return them again.

    Raises:
        ValueError: they are not as they were written.
    """
    try:
        tensors = safetensors.torch.load(content)
        told = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")]).get("__metadata__") or {}
    except safetensors.SafetensorError as error:
        raise ValueError(str(error)) from error
    said = told.get(ABOUT, "")
    if told.get(SEAL) != digest(tensors, said):
        raise ValueError("it is not as it was written")
    return tensors, json.loads(said)


def packed(columns: Columns) -> bytes:
    """Return the columns as one Parquet file; the same numbers give the same bytes."""
    table = pa.table({name: array_of(each) for name, each in columns.items()})
    held = {name: tensor_of(table.column(name)) for name in table.column_names}
    return parquet(table.replace_schema_metadata({DIGEST: digest(held)}))


def unpacked(file: Path, names: Sequence[str] | None = None) -> dict[str, Tensor]:
    """Return the columns of a file, all by default; then it must be as it was written.

    Raises:
        OSError, ValueError: it cannot be read.
    """
    try:
        table = pq.read_table(file, columns=None if names is None else list(names), partitioning=None)
        found = {name: tensor_of(table.column(name)) for name in table.column_names}
    except (pa.ArrowException, KeyError, TypeError, MemoryError, OverflowError) as error:
        raise ValueError(str(error)) from error
    if names is None and (table.schema.metadata or {}).get(DIGEST) != digest(found).encode():
        raise ValueError("it is not as it was written")
    return found


def array_of(values: Tensor) -> pa.Array:
    """Return one number per sample, or several, as a column of a table."""
    plain = values.detach().cpu().contiguous().numpy()
    if plain.ndim == 1:
        return pa.array(plain)
    return pa.FixedSizeListArray.from_arrays(pa.array(plain.reshape(-1)), plain.shape[1])


def tensor_of(column: pa.ChunkedArray) -> Tensor:
    """Return such a column again."""
    whole = column.combine_chunks()
    if not pa.types.is_fixed_size_list(whole.type):
        return torch.from_numpy(np.array(whole.to_numpy(zero_copy_only=False)))
    flat = np.array(whole.flatten().to_numpy(zero_copy_only=False))
    return torch.from_numpy(flat.reshape(len(whole), whole.type.list_size))


@dataclass(frozen=True)
class Shelved:
    """A wide column that stays in its files: rows are read where they are asked for."""

    name: str
    width: int
    files: tuple[Path, ...]
    ends: NDArray[np.int64]  # number of rows up to and with each file
    rows: NDArray[np.int64]  # ours among them, rising
    keeper: Scratch | None = field(default=None, repr=False)  # of files that belong to nobody else

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def shape(self) -> tuple[int, int]:
        """Samples and numbers of each, as of a tensor."""
        return len(self.rows), self.width

    def __getitem__(self, chosen: Tensor) -> "Shelved":
        """Return the column of some samples: a mask, or rising positions."""
        return replace(self, rows=self.rows[chosen.cpu().numpy()])

    def pieces(self) -> Iterator[tuple[slice, Float[Tensor, "b width"]]]:
        """Yield the rows file by file, and which of ours they are."""
        start = first = 0
        for file, end in zip(self.files, self.ends.tolist(), strict=True):
            stop = int(np.searchsorted(self.rows, end))
            if stop > start:
                inside = torch.from_numpy(self.rows[start:stop] - first)
                yield slice(start, stop), unpacked(file, [self.name])[self.name][inside]
            start, first = stop, end


def whole(wide: Tensor | Shelved) -> Float[Tensor, "n width"]:
    """Return several numbers per sample in memory, wherever they lie."""
    return wide if isinstance(wide, Tensor) else torch.cat([piece for _, piece in wide.pieces()])
