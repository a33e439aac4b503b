"""Samples that are known to be right are chosen on, and refused where nothing is chosen."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

import unchaff
from unchaff.bench.cell import Cell, run, score_only
from unchaff.errors import ConfigError
from unchaff.methods import METHODS
from unchaff.methods.early_stop import EarlyStop
from unchaff.methods.heed import chooses
from unchaff.methods.validation import validation_of
from unchaff.partition.quantile import Quantile
from unchaff.records import Observed, Recipe, Trained
from unchaff.streams import Streams

DRAW = np.random.default_rng(0)
X = DRAW.normal(size=(120, 4)).astype(np.float32)
RIGHT = (X[:, 0] > 0).astype(np.int64)
WRONG = np.where(DRAW.random(120) < 0.4, 1 - RIGHT, RIGHT)
TRAIN, REFERENCE = unchaff.from_arrays(X, WRONG), unchaff.from_arrays(X[:30], RIGHT[:30])


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 2))


def test_a_reference_goes_before_the_hold_out():
    both = Observed(train=TRAIN, holdout=TRAIN, reference=REFERENCE)
    assert validation_of(both) == (REFERENCE, "the reference")
    assert validation_of(replace(both, reference=None)) == (TRAIN, "noisy validation")
    assert validation_of(Observed(train=TRAIN)) == (None, "noisy validation")


def test_the_best_epoch_is_chosen_on_the_reference():
    model = network()
    trained = Trained(model=model, recipe=replace(Recipe.usual(model, len(TRAIN)), epochs=3))
    observed = Observed(train=TRAIN, reference=REFERENCE)
    outcome = EarlyStop()(trained, observed, streams=Streams(0))
    assert "was the best on the reference (" in outcome.notes[0]
    assert outcome.cost.stages["validation"].samples_seen == 3 * len(REFERENCE)


def test_how_gentle_a_projection_is_is_chosen_on_the_reference():
    trained = Trained(model=network())
    method = replace(METHODS["sap"], partition=Quantile(keep=0.5), trusted=20)
    observed = Observed(train=TRAIN, holdout=TRAIN, reference=REFERENCE)
    outcome = method(trained, observed, streams=Streams(0))
    assert any("was the best on the reference (" in note for note in outcome.notes)
    assert not chooses(replace(METHODS["sap"], alpha=1e5)), "it is given"


def test_the_threshold_of_a_filter_is_set_on_the_reference():
    observed = Observed(train=TRAIN, holdout=TRAIN, reference=REFERENCE)
    rest, clean = METHODS["input-filter"]._parts(observed, Streams(0))
    assert rest is TRAIN
    assert set(clean.ids) <= set(REFERENCE.ids)


def test_others_refuse_it():
    with pytest.raises(ConfigError, match="The method Unlearn makes no use of a reference"):
        unchaff.repair(network(), TRAIN, reference=REFERENCE)
    cell = Cell(data="digits", reference="digits", model="mlp", epochs=1, method="retrain", device="cpu")
    with pytest.raises(ConfigError, match="The method Retrain makes no use of a reference"):
        run(cell)
    with pytest.raises(ConfigError, match="A score makes no use of a reference"):
        score_only(cell)
