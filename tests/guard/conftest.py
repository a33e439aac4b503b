"""Small data to be spoiled, and a limit on how long each test may take."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from unchaff.cli import app

LONGEST = 180  # seconds, on a busy machine: a hang is for ever
QUICK = ("--model", "mlp", "--epochs", "1", "--device", "cpu")


@pytest.fixture(autouse=True)
def _no_hang(ends_within):
    ends_within(LONGEST)


@pytest.fixture(scope="session")
def rows(tmp_path_factory) -> Path:
    """Return a file of rows of numbers in two classes."""
    labels = np.arange(60) % 2
    x = np.random.default_rng(0).normal(size=(60, 3)) + 2 * labels[:, None]
    file = tmp_path_factory.mktemp("rows") / "data.npz"
    np.savez(file, x=x.astype(np.float32), y=labels)
    return file


@pytest.fixture(scope="session")
def run(rows, tmp_path_factory):
    """Return a run folder, to be looked at only."""
    out = tmp_path_factory.mktemp("made") / "run"
    assert app.main(["repair", str(rows), *QUICK, "--controls", "none", "--out", str(out)]) == 0
    return out


def picture(shade=0) -> bytes:
    buffer = io.BytesIO()
    pixels = np.arange(8 * 8 * 3, dtype=np.uint8).reshape(8, 8, 3) + np.uint8(shade)
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def pictures(tmp_path) -> Path:
    """Return a folder of two classes of six pictures each."""
    for row in range(12):
        file = tmp_path / "pictures" / "ab"[row % 2] / f"{row}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(picture(row))
    return tmp_path / "pictures"


@pytest.fixture
def refused(capsys):
    """Return a function that runs a command, and returns the one sentence that it is refused with."""

    def run(*words) -> str:
        capsys.readouterr()
        assert app.main([str(word) for word in words]) == 1
        told = [line for line in capsys.readouterr().err.splitlines() if line.startswith("Error: ")]
        assert len(told) == 1
        assert told[0].endswith(".")
        return told[0]

    return run


@pytest.fixture
def quick():
    return QUICK
