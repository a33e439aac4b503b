"""Work on many small files at once."""

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from unchaff import progress

Result = TypeVar("Result")
CHUNK = 64  # rows a thread takes at once: one task a row would cost more than it gains


def in_threads(work: Callable[[int], Result], count: int, *, name: str) -> Iterator[Result]:
    """Yield `work(row)` for each row, in order; decoders release Python's lock while they run.

    Args:
        work: on one row.
        count: of rows.
        name: of the stage that is shown.
    """

    def several(start: int) -> list[Result]:
        return [work(row) for row in range(start, min(start + CHUNK, count))]

    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool, progress.stage(name, count) as shown:
        for results in pool.map(several, range(0, count, CHUNK)):
            yield from results
            shown.advance(len(results))


def alike(results: Iterable[Result]) -> Iterator[Result]:
    """Yield the results, equal ones as one object: millions of small ones take hardly any memory then."""
    seen: dict[Result, Result] = {}
    for result in results:
        yield seen.setdefault(result, result)
