from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from unchaff.samples import Change, Kind, Rows, Samples, canonical


@dataclass(frozen=True)
class Held:
    """Prepared inputs in a tensor."""

    inputs: Tensor
    in_memory: bool = True

    def read(self, batches: Iterable[Rows]) -> Iterator[Tensor]:
        return (self.inputs[torch.from_numpy(rows)] for rows in batches)

    def raw(self, rows: Rows) -> Tensor:
        return self.inputs[torch.from_numpy(rows)]

    def altered(self, change: Change, *, fresh: bool = False) -> "Held":
        return self

    def select(self, rows: Rows) -> "Held":
        return Held(self.raw(rows))

    def to(self, device: torch.device | str) -> "Held":
        return Held(self.inputs.to(device))


@pytest.fixture
def samples() -> Samples:
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(30, 4, generator=generator)
    labels = torch.randint(3, (30,), generator=generator)
    kind = Kind("tabular", (4,))
    return canonical(range(30), labels, class_names=("a", "b", "c"), kind=kind, source=Held(inputs))
