"""A suite that takes seconds."""

import pytest

from unchaff.bench.settings import Setting


@pytest.fixture
def tiny():
    return Setting(
        name="tiny", data="digits", noise="symmetric:0.3", rows=300, epochs=4, seeds=(0, 1),
        contenders=("nothing", "unlearn@0.25", "random-subset@0.25", "oracle"),
        detectors=("final-loss", "readout"),
    )  # fmt: skip
