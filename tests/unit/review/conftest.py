import pytest

from made_runs import run_of_pictures, write_run
from unchaff.review.session import Review
from unchaff.runs.read import read


@pytest.fixture
def folder(tmp_path):
    """A run of six samples: three rejected, of which two have another label suggested."""
    return write_run(
        tmp_path / "run",
        ids=[10, 11, 12, 13, 14, 15],
        labels=[0, 0, 1, 1, 0, 1],
        suggested=[1, 0, 0, 1, 0, 1],
        quality=[0.1, 0.4, 0.2, 0.9, 0.8, 0.95],
    )


@pytest.fixture
def review(folder):
    made = Review(read(folder))
    yield made
    made.store.close()


@pytest.fixture
def pictures(tmp_path):
    """A run of pictures in class folders."""
    return run_of_pictures(tmp_path, ("cat", "dog", "owl"))
