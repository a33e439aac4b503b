"""What every test runs under."""

import os
from pathlib import Path

import pytest
import torch

REPOSITORY = Path(__file__).parents[1]

torch.set_num_threads(1)  # far faster on tiny tensors, and steady on a busy machine


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data packs, or a skip that says how to name one."""
    folder = Path(os.environ.get("UNCHAFF_DATA", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no data packs in {folder}; name their folder in UNCHAFF_DATA")
    return folder
