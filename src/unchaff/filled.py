"""Numbers of all samples, put in their places as they come."""

from collections.abc import Iterable

import torch
from torch import Tensor


class Filled:
    """Rows that are filled from the front, up to a number known from the start.

    Kept as a list until the end, thousands of small pieces from between batches that come and go would
    keep the memory of those from being used again.
    """

    def __init__(self, room: int) -> None:
        self._room = room
        self._whole = torch.empty(0)
        self.count = 0  # rows so far

    def add(self, part: Tensor) -> None:
        """Take in the next rows, as many as there is room for; the first ones set their shape and kind."""
        if self.count == 0:
            self._whole = part.new_empty((self._room, *part.shape[1:]))
        self._whole[self.count : self.count + len(part)] = part
        self.count += len(part)

    @property
    def rows(self) -> Tensor:
        """All rows so far; later ones do not change them."""
        return self._whole[: self.count]


def joined(parts: Iterable[Tensor], count: int) -> Tensor:
    """Return tensors of some rows each as one of `count` rows."""
    filled = Filled(count)
    for part in parts:
        filled.add(part)
    return filled.rows
