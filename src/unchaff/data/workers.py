"""Work on many small files at once."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from unchaff.errors import DataError

Result = TypeVar("Result")
CHUNK = 64  # rows a thread takes at once: one task a row would cost more than it gains


def in_threads(work: Callable[[int], Result], count: int) -> Iterator[Result]:
    """Yield `work(row)` for each row, in order; decoders release Python's lock while they run."""

    def several(start: int) -> list[Result]:
        return [work(row) for row in range(start, min(start + CHUNK, count))]

    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        for results in pool.map(several, range(0, count, CHUNK)):
            yield from results


@contextmanager
def watched() -> Iterator[None]:
    """Turn the end of a decoding process, which torch reports wherever we are, into a sentence.

    Raises:
        DataError: such a process was killed.
    """
    try:
        yield
    except RuntimeError as error:
        if not str(error).startswith("DataLoader worker"):
            raise
        raise DataError(
            "A process that decodes the data was killed, most likely because memory ran out. Make room, or "
            "decode in the run itself (Options(workers=0)). A run that was given --out goes on with --resume."
        ) from error
