"""(seed, purpose) -> torch.Generator; the only maker of generators."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from numbers import Integral

import numpy as np
import torch
from numpy.typing import NDArray

from unchaff.errors import ConfigError


def _digest(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=7).digest())


@dataclass(frozen=True)
class Streams:
    """One independent source of random numbers per purpose.

    A draw added for one purpose changes no other purpose's numbers.
    """

    seed: int

    def __post_init__(self) -> None:
        if isinstance(self.seed, bool) or not isinstance(self.seed, Integral):
            raise ConfigError(f"seed must be a whole number, got {self.seed!r}. Leave it out for 0.")

    def __call__(self, purpose: str, device: torch.device | str = "cpu") -> torch.Generator:
        """Return a fresh generator that depends on the seed and the purpose only."""
        return torch.Generator(device=device).manual_seed(_digest(f"{self.seed}/{purpose}"))

    def per_id(self, purpose: str, ids: NDArray[np.generic]) -> NDArray[np.float64]:
        """Return one uniform number in [0, 1) per id, whatever the order of the ids."""
        seeds = self.seeds(purpose, ids)
        return (seeds >> np.uint64(11)).astype(np.float64) / float(1 << 53)

    def seeds(self, purpose: str, ids: NDArray[np.generic]) -> NDArray[np.uint64]:
        """Return one 64-bit seed per id, for draws of more than one number per sample."""
        base = hashlib.blake2b(f"{self.seed}/{purpose}".encode(), digest_size=16).digest()
        digests = b"".join(
            hashlib.blake2b(f"{i}".encode(), key=base, digest_size=8).digest() for i in ids.tolist()
        )
        return np.frombuffer(digests, dtype=np.dtype("<u8")).astype(np.uint64)

    def subset(self, purpose: str, ids: NDArray[np.generic], limit: int) -> NDArray[np.int64]:
        """Return the sorted positions of at most `limit` ids, those with the lowest numbers."""
        return np.sort(np.argsort(self.per_id(purpose, ids), kind="stable")[:limit])

    def fork(self, purpose: str) -> "Streams":
        """Return the streams of a part of the work, independent of all others."""
        return Streams(_digest(f"{self.seed}/{purpose}/fork"))

    @contextmanager
    def forked_global(self, purpose: str) -> Iterator[None]:
        """Seed the global generators for a user's own dropout, and restore them afterwards."""
        devices = list(range(torch.cuda.device_count())) if torch.cuda.is_initialized() else []
        with torch.random.fork_rng(devices=devices):
            torch.manual_seed(_digest(f"{self.seed}/{purpose}/global"))
            yield
