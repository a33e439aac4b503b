"""Detectors rank a network that knows its labels; other people's libraries where they are installed."""

import pytest
import torch

from unchaff.bench.baselines import _library
from unchaff.bench.detectors import DETECTORS
from unchaff.errors import ConfigError
from unchaff.evaluate.detection import detect
from unchaff.streams import Streams

NEEDS = {"confident-learning": "cleanlab", "tracin-self-influence": "captum"}

BLIND = {"published", "typicality"}  # the one reads no label, the other judges inputs, not labels


@pytest.mark.parametrize("name", DETECTORS)
def test_a_detector_ranks_every_sample_and_changes_nothing(name, toy, watched):
    if name in NEEDS:
        pytest.importorskip(NEEDS[name])
    evidence, split = watched(DETECTORS[name], toy.trained, toy.observed, streams=Streams(0))
    assert torch.isfinite(evidence.total).all()
    assert 0 <= split.quality.min() <= split.quality.max() <= 1
    found = detect(split, toy.truth)
    assert found.auroc > (0.45 if name in BLIND else 0.55), "worse than chance"
    if DETECTORS[name].rule is None:
        assert split.kept.all()


def test_a_library_that_is_missing_is_named():
    with pytest.raises(ConfigError, match=r"nix is not installed .* pip install 'unchaff\[baselines\]'"):
        _library("nix.rank")
