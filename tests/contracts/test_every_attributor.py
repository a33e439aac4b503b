"""What every attributor owes; found in the package, none is named here."""

import numpy as np
import pytest
import torch

from unchaff.streams import Streams


def score(attributor, toy, observed=None, seed=0):
    return attributor(toy.trained, observed or toy.observed, streams=Streams(seed))


def test_one_finite_number_per_sample(attributor, toy):
    evidence = score(attributor, toy)
    np.testing.assert_array_equal(evidence.ids, toy.observed.train.ids)
    assert torch.equal(evidence.labels, toy.observed.train.labels)
    for name, column in {"total": evidence.total, **evidence.columns}.items():
        assert column.shape == (600,), name
        assert torch.isfinite(column).all(), name
    assert evidence.total.std() > 0
    assert evidence.columns, "the evidence has no name of its own in quality.parquet"


def test_same_seed_same_evidence(attributor, toy, assert_same):
    assert_same(score(attributor, toy), score(attributor, toy))


def test_permuted_samples_change_nothing(attributor, toy, permuted, assert_same):
    assert_same(score(attributor, toy), score(attributor, toy, permuted))


def test_nothing_of_the_callers_is_changed(attributor, toy, watched):
    watched(attributor, toy.trained, toy.observed, streams=Streams(0))


def test_decoded_samples_give_the_evidence_of_samples_in_memory(attributor, toy, lazy):
    held, decoded = score(attributor, toy), score(attributor, toy, lazy)
    for name, column in held.columns.items():
        torch.testing.assert_close(decoded.columns[name], column, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(decoded.total, held.total, rtol=1e-5, atol=1e-5)


def test_the_cost_is_counted(attributor, toy):
    cost = score(attributor, toy).cost
    if cost.samples_seen:
        assert cost.samples_seen % 600 == 0
        assert cost.flops > 0
    assert sum(stage.flops for stage in cost.stages.values()) == cost.flops


@pytest.mark.parametrize("where", ["memory", "files"])
def test_every_pass_of_the_network_is_paid_for(attributor, toy, lazy, where):
    seen = []

    def look(_, inputs):
        seen.append(len(inputs[0]) if len(inputs[0]) > 2 else 0)  # two samples: shapes are being asked for

    handle = toy.trained.model.register_forward_pre_hook(look)
    try:
        cost = score(attributor, toy, lazy if where == "files" else None).cost
    finally:
        handle.remove()
    assert cost.samples_seen == sum(seen)
