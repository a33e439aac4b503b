"""Several tensors a sample, as one row of bytes: what a network takes by name or by place."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import UInt8
from torch import Tensor

from unchaff.errors import DataError

MASK = "attention_mask"  # 1 where a sequence holds something, as tokenizers of Hugging Face give it


@dataclass(frozen=True)
class Part:
    """One of the tensors of a sample."""

    name: str  # its key, or its place as a number
    dtype: torch.dtype
    shape: tuple[int, ...]  # of one sample

    @property
    def size(self) -> int:
        """Bytes of one sample."""
        return math.prod(self.shape) * self.dtype.itemsize

    def __str__(self) -> str:
        return f"{self.name} {'x'.join(map(str, self.shape)) or 'number'}"


@dataclass(frozen=True)
class Layout:
    """How the bytes of a row are to be read."""

    parts: tuple[Part, ...]
    by_name: bool  # a mapping, given to the network by keyword; else a tuple, given by place

    def __str__(self) -> str:
        return ", ".join(map(str, self.parts))

    def unpack(self, rows: UInt8[Tensor, "b bytes"]) -> dict[str, Tensor]:
        """Return the tensors of some samples, in the order of the parts."""
        found: dict[str, Tensor] = {}
        start = 0
        for part in self.parts:
            # A copy of its own, for a view in another type has to begin at a multiple of its size.
            column = rows[:, start : start + part.size].clone(memory_format=torch.contiguous_format)
            found[part.name] = column.view(part.dtype).reshape(len(rows), *part.shape)
            start += part.size
        return found

    def bytes_of(self, tensors: Mapping[str, Tensor]) -> UInt8[Tensor, "b bytes"]:
        """Return the rows that unpack to these tensors."""
        flat = [tensors[part.name].reshape(len(tensors[part.name]), -1) for part in self.parts]
        return torch.cat([each.contiguous().view(torch.uint8) for each in flat], dim=1)

    def mask(self, rows: UInt8[Tensor, "b bytes"]) -> Tensor | None:
        """Return which places of a sequence hold something (b, length), where the samples say so."""
        if not any(part.name == MASK for part in self.parts):
            return None
        return self.unpack(rows)[MASK].bool()


def pack(
    samples: Sequence[Mapping[str, Tensor] | Sequence[Tensor]],
) -> tuple[UInt8[Tensor, "n bytes"], Layout]:
    """Return samples of several tensors each as rows of bytes, and how to read them.

    Sequences of different length are filled up with zeros where there is an `attention_mask`.

    Raises:
        DataError: samples differ in keys, types or shapes.
    """
    first = samples[0]
    by_name = isinstance(first, Mapping)
    columns = [_named(sample) for sample in samples]
    names = list(columns[0])
    for row, column in enumerate(columns):
        if list(column) != names:
            raise DataError(
                f"Sample {row} holds {', '.join(column) or 'nothing'}, the first one {', '.join(names)}. "
                "Give all samples the same keys."
            )
    is_masked = MASK in names
    joined = {
        name: _joined(name, [column[name] for column in columns], is_masked=is_masked) for name in names
    }
    parts = tuple(Part(name, each.dtype, tuple(each.shape[1:])) for name, each in joined.items())
    layout = Layout(parts, by_name)
    return layout.bytes_of(joined), layout


def _named(sample: Mapping[str, Tensor] | Sequence[Tensor]) -> dict[str, Tensor]:
    pairs = sample.items() if isinstance(sample, Mapping) else enumerate(sample)
    return {str(name): _tensor(str(name), value) for name, value in pairs}


def _tensor(name: str, value: object) -> Tensor:
    try:
        return torch.as_tensor(value)
    except (TypeError, ValueError, RuntimeError) as error:
        raise DataError(
            f"{name} of a sample is of type {type(value).__name__}, and no number or tensor. Leave it out."
        ) from error


def _joined(name: str, values: list[Tensor], *, is_masked: bool) -> Tensor:
    if len({value.dtype for value in values}) > 1:
        raise DataError(f"{name} is of several types, such as {values[0].dtype}. Give all samples the same.")
    shapes = {tuple(value.shape) for value in values}
    if len(shapes) == 1:
        return torch.stack(values)
    if is_masked and all(len(shape) == 1 for shape in shapes):
        return torch.nn.utils.rnn.pad_sequence(values, batch_first=True)
    raise DataError(
        f"{name} has {len(shapes)} shapes, such as {sorted(shapes)[:2]}. Give all samples the same shape, "
        f"or sequences with an {MASK}."
    )
