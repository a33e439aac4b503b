"""Worker processes: a bounded number of batches under way, and no wait without end."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

import unchaff
from unchaff.data import loader
from unchaff.data.loader import decoded
from unchaff.errors import DataError

BATCHES = [np.arange(start, start + 4) for start in range(0, 40, 4)]


@dataclass(frozen=True)
class Numbers:
    """The row itself, decoded; at one row something happens."""

    at: int = -1
    what: str = ""
    parent: int = os.getpid()

    def __len__(self):
        return 40

    def __getitem__(self, row):
        if row == self.at:
            if self.what == "killed" and os.getpid() != self.parent:
                os.kill(os.getpid(), signal.SIGKILL)
            if self.what == "stuck":
                time.sleep(600)
            if self.what == "gone":
                raise FileNotFoundError(2, "No such file", f"{row}.png")
        return torch.full((2,), row)


@pytest.fixture(autouse=True)
def nobody_is_left():
    yield
    assert multiprocessing.active_children() == []


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_batches_come_in_order_and_few_are_under_way(workers):
    begun = []

    def asked():
        for rows in BATCHES:
            begun.append(rows)
            yield rows

    for done, raw in enumerate(decoded(Numbers(), asked(), workers), start=1):
        assert raw[:, 0].tolist() == BATCHES[done - 1].tolist()
        assert len(begun) - done <= workers
    assert done == len(BATCHES)


def test_more_workers_than_batches_are_not_started(monkeypatch):
    started = []
    usual = loader._Worker.__init__
    monkeypatch.setattr(loader._Worker, "__init__", lambda self, items: started.append(usual(self, items)))
    assert len(list(decoded(Numbers(), BATCHES[:2], 5))) == 2
    assert len(started) == 1, "the first batch is decoded in this process"
    assert len(list(decoded(Numbers(), BATCHES[:1], 5))) == 1
    assert len(started) == 1


def test_a_reader_that_stops_early_leaves_no_process():
    reading = decoded(Numbers(), BATCHES, 2)
    assert [next(reading)[0, 0] for _ in range(3)] == [0, 4, 8]
    assert len(multiprocessing.active_children()) == 2
    reading.close()
    assert multiprocessing.active_children() == []


@pytest.mark.parametrize("row", [5, 22])
def test_a_worker_that_dies_is_an_error_at_once(row):
    begun = time.monotonic()
    with pytest.raises(DataError, match=r"died \(killed by SIGKILL\).*--workers 0"):
        list(decoded(Numbers(at=row, what="killed"), BATCHES, 2))
    assert time.monotonic() - begun < 30


def test_a_worker_that_died_while_we_were_busy_is_an_error_too():
    reading = decoded(Numbers(), BATCHES, 2)
    next(reading), next(reading)
    for child in multiprocessing.active_children():
        child.kill()
        child.join()
    with pytest.raises(DataError, match="died"):
        list(reading)


def test_a_worker_that_is_stuck_is_stopped(monkeypatch):
    monkeypatch.setattr(loader, "PATIENCE", 0.3)
    with pytest.raises(DataError, match="did not decode one batch in 0 seconds"):
        list(decoded(Numbers(at=9, what="stuck"), BATCHES, 2))


@pytest.mark.parametrize("workers", [0, 2])
def test_a_file_that_is_gone_is_named(workers):
    with pytest.raises(DataError, match=r"cannot be read now: .*13\.png") as caught:
        list(decoded(Numbers(at=13, what="gone"), BATCHES, workers))
    assert "\n" not in str(caught.value)


def test_threads_of_torch_in_this_process_hold_nobody_up():
    threads = torch.get_num_threads()
    torch.set_num_threads(4)
    try:
        for raw in decoded(Numbers(), BATCHES, 2):
            (torch.rand(600, 600) @ torch.rand(600, 600)).sum()
            assert len(raw) == 4
    finally:
        torch.set_num_threads(threads)


KILLED = """
import os, signal, sys, numpy as np, torch, multiprocessing
from unchaff.data.loader import decoded
class Slow:
    def __len__(self): return 8
    def __getitem__(self, row): return torch.zeros(300_000)
reading = decoded(Slow(), [np.array([row]) for row in range(8)], 2)
next(reading), next(reading)
print(*[child.pid for child in multiprocessing.active_children()], flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_workers_end_when_their_parent_is_killed():
    environment = {**os.environ, "PYTHONPATH": str(Path(unchaff.__file__).parents[1])}
    words = [sys.executable, "-c", KILLED]
    with subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, text=True) as parent:  # noqa: S603
        left = [int(word) for word in parent.stdout.readline().split()]
    assert len(left) == 2
    until = time.monotonic() + 20
    while any(map(is_alive, left)) and time.monotonic() < until:
        time.sleep(0.05)
    try:
        assert [pid for pid in left if is_alive(pid)] == []
    finally:
        for pid in filter(is_alive, left):
            os.kill(pid, signal.SIGKILL)


def is_alive(pid):
    with suppress(ProcessLookupError, FileNotFoundError):
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")")[1].split()[0] != "Z"
    return False
