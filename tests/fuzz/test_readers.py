"""Whatever the bytes: a file is read, or refused in one sentence, and nothing else happens.

No other error, no hang, no end of the process, no gigabytes, no file beside those asked for.
UNCHAFF_FUZZ=nightly tries over 10,000 files; without, some 500 are tried, always the same ones.
"""

import faulthandler
import os
import resource
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis.strategies import SearchStrategy

from fuzz.mutations import broken, broken_json
from fuzz.readers import IN_RUN, READERS, Reader, from_journal, in_run, journal_seeds, through
from fuzz.values import archives, tables, texts
from unchaff.cli import app
from unchaff.errors import UnchaffError

IS_NIGHTLY = os.environ.get("UNCHAFF_FUZZ") == "nightly"
NAMES = [*READERS, *IN_RUN, "journal"]
VALUES = {"data.parquet": tables(), "data.csv": texts(), "data.npz": archives()}
EXAMPLES = (12_000 if IS_NIGHTLY else 500) // (len(NAMES) + len(VALUES)) + 1  # of each
SECONDS = 60  # for one file, on a busy machine
GROWTH = 2**30  # bytes a broken file may take
PEAK_UNIT = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """Return a run folder of rows of numbers."""
    folder = tmp_path_factory.mktemp("fuzzed")
    labels = np.arange(60) % 2
    x = np.random.default_rng(0).normal(size=(60, 3)) + 2 * labels[:, None]
    np.savez(folder / "data.npz", x=x.astype(np.float32), y=labels)
    words = ["--model", "mlp", "--epochs", "1", "--device", "cpu", "--controls", "none"]
    assert app.main(["repair", str(folder / "data.npz"), *words, "--out", str(folder / "run")]) == 0
    return folder / "run"


@contextmanager
def harmless() -> Iterator[Path]:
    """Give a folder, and see that no more than allowed happens in and around it."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with tempfile.TemporaryDirectory() as outer, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        folder = Path(outer) / "inner"
        folder.mkdir()
        faulthandler.dump_traceback_later(SECONDS, exit=True)
        try:
            yield folder
        finally:
            faulthandler.cancel_dump_traceback_later()
        assert [place.name for place in Path(outer).iterdir()] == ["inner"]
        assert not list(folder.rglob("*.part")), "half-written files"
    grown = PEAK_UNIT * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak)
    assert grown < GROWTH, f"{grown:,} bytes"


def attempt(reader: Reader, content: bytes) -> None:
    """Read; being refused is fine, anything else is not."""
    with harmless() as folder:
        try:
            reader.read(content, folder)
        except UnchaffError as error:
            said = str(error)
        else:
            said = ""
    assert said == "" or said.strip().endswith("."), said


@pytest.mark.parametrize("name", NAMES)
def test_a_broken_file_is_read_or_refused(name, run, tmp_path):
    if name == "journal":
        made = journal_seeds(tmp_path)
        reader = Reader(lambda: made, from_journal)
    else:
        reader = in_run(run, name) if name in IN_RUN else READERS[name]
    for content in reader.seeds():
        with harmless() as folder:
            reader.read(content, folder)  # whole, it is read

    contents = broken(reader.seeds())
    attempts(reader, broken_json(reader.seeds()) | contents if reader.is_json else contents)


@pytest.mark.parametrize("name", VALUES)
def test_values_nobody_expects_are_read_or_refused(name):
    attempts(Reader(tuple, through(name)), VALUES[name])


def attempts(reader: Reader, contents: SearchStrategy[bytes]) -> None:
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=not IS_NIGHTLY,
        suppress_health_check=list(HealthCheck),
    )
    @given(content=contents)
    def tried(content):
        attempt(reader, content)

    tried()
