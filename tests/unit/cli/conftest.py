"""Small data, written anew for each test."""

import numpy as np
import pytest


@pytest.fixture
def table(tmp_path):
    """Return a function that writes x and y as .npz and returns the path as typed."""

    def write(x=None, y=None, name="data.npz"):
        generator = np.random.default_rng(0)
        y = np.arange(90) % 3 if y is None else np.asarray(y)
        x = (
            generator.normal(size=(len(y), 6)) + 2 * np.eye(3, 6)[np.clip(y, 0, 2).astype(int)]
            if x is None
            else x
        )
        np.savez(tmp_path / name, x=np.asarray(x, dtype=np.float32), y=y)
        return str(tmp_path / name)

    return write
