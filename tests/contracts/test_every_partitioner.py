"""What every rule that splits owes; found in the package, none is named here."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional

from unchaff.records import Evidence


def made(count=600, classes=4, rate=0.3, seed=0):
    """Return evidence whose lower part belongs to wrong labels, with attributions to cluster."""
    draw = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % classes
    bad = torch.rand(count, generator=draw) < rate
    total = torch.randn(count, generator=draw) - 4.0 * bad
    units = torch.randn(count, 3, generator=draw) - 5.0 * bad[:, None]
    shown = torch.where(bad, (labels + 1) % classes, labels)
    opinion = torch.randn(count, classes, generator=draw) + 4.0 * functional.one_hot(shown, classes)
    return bad, Evidence(
        ids=np.arange(count),
        labels=labels,
        total=total,
        columns={"made": total},
        opinions={"made": opinion},
        units={"layer": units},
    )


def test_quality_is_a_probability_for_each_id(partitioner):
    _, evidence = made()
    split = partitioner(evidence)
    np.testing.assert_array_equal(split.ids, evidence.ids)
    assert torch.isfinite(split.quality).all()
    assert split.quality.min() >= 0
    assert split.quality.max() <= 1
    assert split.reason
    assert split.evidence["made"] is evidence.columns["made"]


def test_the_split_does_not_depend_on_other_orders(partitioner):
    _, evidence = made()
    order = torch.randperm(600, generator=torch.Generator().manual_seed(1))
    moved = replace(
        evidence,
        ids=evidence.ids[order.numpy()],
        labels=evidence.labels[order],
        total=evidence.total[order],
        opinions={"made": evidence.opinions["made"][order]},
        units={"layer": evidence.units["layer"][order]},
    )
    plain, other = partitioner(evidence), partitioner(moved)
    if type(partitioner).__name__ != "Clusters":  # cluster numbers as published: a coin flip
        assert torch.equal(other.kept, plain.kept[order])
        torch.testing.assert_close(other.quality, plain.quality[order], rtol=0, atol=1e-4)


def test_two_calls_agree_and_leave_the_evidence_alone(partitioner):
    _, evidence = made()
    before = evidence.total.clone()
    first, second = partitioner(evidence), partitioner(evidence)
    assert torch.equal(first.quality, second.quality)
    assert torch.equal(first.kept, second.kept)
    assert torch.equal(before, evidence.total)


@pytest.mark.parametrize("size", [3, 200], ids=["rare", "common"])
def test_no_class_vanishes(partitioner, size):
    _, evidence = made(classes=3)
    last = torch.zeros(600, dtype=torch.bool)
    last[:size] = True
    labels = torch.where(last, torch.tensor(3), evidence.labels)
    shown = torch.cat([evidence.opinions["made"], torch.full((600, 1), -50.0)], dim=1)
    # One class has far worse evidence than all others together, in every number there is.
    bad = replace(
        evidence,
        labels=labels,
        total=evidence.total - 50.0 * last,
        opinions={"made": shown},
        units={"layer": evidence.units["layer"] - 50.0 * last[:, None]},
    )
    kept = partitioner(bad).kept
    for label in range(4):
        rows = labels == label
        assert kept[rows].sum() >= min(10, int(rows.sum()) // 10 or int(rows.sum())), label
    if size == 3:
        assert kept[last].all(), "a class with few samples stays whole"


def test_the_global_generators_are_untouched(partitioner):
    _, evidence = made()
    before = torch.random.get_rng_state(), repr(np.random.get_state())  # noqa: NPY002
    partitioner(evidence)
    assert torch.equal(before[0], torch.random.get_rng_state())
    assert before[1] == repr(np.random.get_state())  # noqa: NPY002
