"""Decode batches in worker processes: in order, one batch under way per worker, and no wait without end."""

import signal
import struct
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unchaff.errors import DataError
from unchaff.samples import Rows

# What decoders raise over a file that has changed since, or is gone.
UNREADABLE = (OSError, ValueError, EOFError, SyntaxError, RuntimeError, MemoryError, struct.error)
PATIENCE = 600.0  # seconds a worker may take for one batch
# Forked workers begin at once and need no `if __name__ == "__main__"` in a user's script. They only decode,
# in one thread: nothing in them waits for a thread of torch, or a lock, that stayed behind in the parent.
CONTEXT = get_context("fork") if sys.platform == "linux" else get_context("spawn")


@runtime_checkable
class Items(Protocol):
    """Raw inputs one by one, decoded when asked for; travels to worker processes."""

    def __len__(self) -> int:
        """Return the number of inputs."""
        ...

    def __getitem__(self, row: int) -> Tensor:
        """Return one decoded raw input, without the batch dimension."""
        ...


def decoded(items: Items, batches: Iterable[Rows], workers: int) -> Iterator[Tensor]:
    """Yield the raw inputs of each batch, in order.

    The first batch is decoded here, for often no other is asked for; then each worker has one batch under
    way, so that at most `workers` + 2 exist at any time.

    Args:
        items: what to decode.
        batches: rows of the items; drawn from as batches are begun.
        workers: processes; 0 decodes all batches here.

    Raises:
        DataError: a worker died, or took longer than `PATIENCE`.
    """
    left = iter(batches)
    for rows in left if workers == 0 else islice(left, 1):
        yield torch.from_numpy(stacked(items, rows))
    second = next(left, None)
    if second is not None:
        yield from _by_workers(items, second, left, workers)


def _by_workers(items: Items, rows: Rows, left: Iterator[Rows], workers: int) -> Iterator[Tensor]:
    crew: deque[_Worker] = deque()  # in the order of the batches they have under way
    try:
        for each in (rows, *islice(left, workers - 1)):
            crew.append(_Worker(items))
            crew[-1].begin(each)
        while crew:
            worker = crew.popleft()
            crew.append(worker)  # so that it is stopped too, whatever happens
            raw = worker.result()
            following = next(left, None)
            if following is None:
                crew.pop().stop()
            else:
                worker.begin(following)
            yield torch.from_numpy(raw)
    finally:
        for worker in crew:
            worker.stop()


class _Worker:
    """One process and our end of the line to it: when either side is gone, the other one is told at once."""

    def __init__(self, items: Items) -> None:
        self._line, theirs = CONTEXT.Pipe()
        self._process = CONTEXT.Process(target=_work, args=(items, theirs, self._line), daemon=True)
        self._process.start()
        theirs.close()  # or its end would stay open here when the process dies

    def begin(self, rows: Rows) -> None:
        """Ask for a batch; only of a worker that has none under way, so that neither side waits to write."""
        try:
            self._line.send(rows)
        except OSError:  # it died while it had nothing to do
            raise DataError(self._died()) from None

    def result(self) -> NDArray[Any]:
        """Return the batch, or raise what decoding it raised."""
        try:
            if not self._line.poll(PATIENCE):
                raise DataError(
                    f"A worker process did not decode one batch in {PATIENCE:.0f} seconds, and was stopped. "
                    "Look at the disk; --workers 0 decodes without worker processes."
                )
            found = self._line.recv()
        except (EOFError, ConnectionError):
            raise DataError(self._died()) from None
        if isinstance(found, Exception):
            raise found
        result: NDArray[Any] = found
        return result

    def _died(self) -> str:
        self._process.join(5)
        code = self._process.exitcode or 0
        how = f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        return (
            f"A worker process that decodes inputs died ({how}), as happens where memory runs out. "
            "Give --workers 1, smaller inputs (--size), or --workers 0 to decode without such processes; a "
            "run that was given --out goes on with --resume."
        )

    def stop(self) -> None:
        """End the process; it has nothing that could be lost."""
        self._line.close()
        self._process.kill()
        self._process.join()
        self._process.close()


def _work(items: Items, line: Connection, other_end: Connection) -> None:
    """Decode what is asked for, until the other side is gone."""
    other_end.close()  # which a fork has copied, so that we would never see it go
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer
    while True:
        try:
            rows = line.recv()
        except (EOFError, OSError):
            return
        try:
            found: object = stacked(items, rows)
        except Exception as error:  # noqa: BLE001  whatever it is, it is raised again over there
            found = error
        try:
            line.send(found)
        except OSError:
            return


def stacked(items: Items, rows: Rows) -> NDArray[Any]:
    """Return decoded raw inputs as one array.

    Raises:
        DataError: one cannot be read any more.
    """
    return np.stack([_one(items, row) for row in rows.tolist()])


def _one(items: Items, row: int) -> NDArray[Any]:
    try:
        return items[row].numpy()
    except UNREADABLE as error:
        told = " ".join(str(error).split()) or type(error).__name__
        raise DataError(
            f"Input {row} could be read when the run began, and cannot be read now: {told}. "
            "Give it back; a run that was given --out goes on with --resume."
        ) from error
