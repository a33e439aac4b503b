"""Run work over all samples, batch by batch; where the device's memory runs out, with smaller batches."""

from collections.abc import Callable, Iterator
from typing import TypeVar

import torch

from unchaff import progress
from unchaff.errors import ModelError
from unchaff.samples import Batch, Samples

Result = TypeVar("Result")


def looked_at(
    samples: Samples, work: Callable[[Batch], Result], *, size: int, name: str, first: int = 0
) -> Iterator[Result]:
    """Yield what `work` returns for each batch, in canonical order.

    Args:
        samples: all are looked at, from the row `first` on.
        work: is called with a batch, and with its halves after the memory of the device ran out.
        size: samples per batch; see `Samples.at_once`.
        name: of the stage, for the sentence that says that batches were halved.
        first: row to begin with.

    Raises:
        ModelError: the memory does not hold one sample.
    """
    asked = said = size = samples.at_once(size)
    while first < len(samples):
        try:
            for batch in samples.batches(size, torch.arange(first, len(samples))):
                result = work(batch)
                if size < said:
                    say_halved(name, asked, size)
                    said = size
                first += len(batch.rows)
                yield result
        except RuntimeError as error:
            size = halved(size, error, name)
        if size < said:  # not before the block above is left: the error holds on to what filled the memory
            give_back()


def halved(size: int, error: RuntimeError, name: str) -> int:
    """Return half the size of a batch that did not fit; another error is raised again.

    Raises:
        ModelError: there is nothing left to halve.
    """
    if not (isinstance(error, torch.OutOfMemoryError) or "MPS backend out of memory" in str(error)):
        raise error
    if size <= 1:
        raise ModelError(
            f"The memory of the device does not hold one sample in {name!r}. Give a smaller network, smaller "
            "inputs (--size), or --device cpu."
        ) from error
    return size // 2


def say_halved(name: str, asked: int, size: int) -> None:
    """Say what fits, once it did."""
    progress.say(
        f"The memory of the device did not hold batches of {asked} in {name!r}: now they are of {size}."
    )


def give_back() -> None:
    """Free what torch keeps in reserve, so that smaller pieces fit."""
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
