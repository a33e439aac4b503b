"""What was seen of some samples, and where it is left from one walk over them to the next."""

import shutil
import tempfile
import weakref
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from unchaff.samples import Rows

LEFT = 50 * 10**9  # bytes of chunks that are left on the disk at most
SHARE = 0.5  # of what is free in the folder for temporary files


@dataclass(frozen=True)
class Chunk:
    """What was seen of some samples, averaged over the views."""

    rows: Rows
    labels: Int[Tensor, " b"]
    features: Float[Tensor, "b d"]  # pooled activations of all reading points, side by side; or inputs
    moments: Float[Tensor, "b m"]  # mean and deviation per channel at the earliest reading point
    log_probs: Float[Tensor, "b classes"] | None  # of the network itself, where it was heard to the end
    has_channels: bool  # that point has places or frames; else its moments are the features themselves
    filled: Float[Tensor, " b"] | None = None  # share of the places of a sequence that hold something

    @property
    def bytes_per_sample(self) -> int:
        """What it takes to remember one of its samples."""
        return (self.rows.nbytes + sum(each.nbytes for each in self.tensors.values())) // len(self.rows)

    @property
    def tensors(self) -> dict[str, Tensor]:
        """All that is held on the device."""
        held = {each.name: getattr(self, each.name) for each in fields(self)}
        return {name: each for name, each in held.items() if isinstance(each, Tensor)}

    def since(self, first: int) -> "Chunk":
        """Return the part from the row `first` on."""
        later = self.rows >= first
        if later.all():
            return self
        return self.having(self.rows[later], {name: each[later] for name, each in self.tensors.items()})

    def having(self, rows: Rows, tensors: Mapping[str, Tensor]) -> "Chunk":
        """Return the same with other rows, and what was seen of them."""
        return replace(self, rows=rows, **tensors)  # type: ignore[arg-type]


def fit_on_disk(size: int) -> bool:
    """Return whether chunks of so many bytes may be left on the disk."""
    return size <= min(LEFT, SHARE * shutil.disk_usage(tempfile.gettempdir()).free)


class OnDisk:
    """Chunks in a file without a name, which is gone with this.

    Nothing is held of each: small pieces from between batches that come and go would keep the memory of those
    from being used again.

    Args:
        like: some chunk, for what all have in common.
    """

    def __init__(self, like: Chunk) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115
        weakref.finalize(self, self._file.close)
        self._like, self._count = like, 0

    def append(self, chunk: Chunk) -> None:
        """Write a chunk behind the others.

        Raises:
            OSError: the disk is full.
        """
        self._file.seek(0, 2)
        for each in (chunk.rows, *(each.cpu().numpy() for each in chunk.tensors.values())):
            np.save(self._file, each, allow_pickle=False)
        self._file.flush()  # a full disk is said here, and not when this is read
        self._count += 1

    def __iter__(self) -> Iterator[Chunk]:
        place = 0
        for _ in range(self._count):
            self._file.seek(place)
            rows = np.load(self._file)
            tensors = {
                name: torch.from_numpy(np.load(self._file)).to(each.device)
                for name, each in self._like.tensors.items()
            }
            place = self._file.tell()
            yield self._like.having(rows, tensors)
