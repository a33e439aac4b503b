import json

import numpy as np
import pytest
import torch
from torch import nn

from unchaff.evaluate.accuracy import Scores, score_predictions
from unchaff.evaluate.detection import detect
from unchaff.evaluate.metrics import Control, Measured, cleaned, metrics
from unchaff.records import Cost, Outcome, Partition, PrunedUnit, PrunePlan, Truth

LABELS = torch.tensor([0, 1, 0, 1])


def _scores(num_right: int) -> Scores:
    predicted = torch.where(torch.arange(4) < num_right, LABELS, 1 - LABELS)
    return score_predictions(predicted, LABELS, ("a", "b"))


def _outcome() -> Outcome:
    quality = torch.tensor([0.25, 0.75, 1.0, 1.0])
    cost = Cost(seconds=2, samples_seen=8, flops=1e6)
    return Outcome(
        model=nn.Identity(),
        partition=Partition(ids=np.arange(4), quality=quality, kept=quality > 0.5),
        plan=PrunePlan(units=(PrunedUnit("layer1", 3, 0.5),)),
        cost=cost.as_stage("score") + cost.as_stage("finetune"),
    )


def test_every_promised_key_is_there() -> None:
    full = Cost(seconds=16, samples_seen=64, flops=8e6)
    truth = Truth(ids=np.arange(4), true_label=LABELS, is_noisy=torch.tensor([True, False, False, False]))
    outcome = _outcome()
    assert outcome.partition is not None
    measured = Measured(
        before=_scores(1),
        after=_scores(3),
        controls={"oracle": Control(_scores(4), Cost(seconds=8, flops=4e6))},
        detection=detect(outcome.partition, truth),
        full=full,
    )
    found = json.loads(json.dumps(metrics(measured, outcome), allow_nan=False))
    assert found["measured_on"] == "test"
    assert (found["before"]["accuracy"], found["after"]["accuracy"]) == (0.25, 0.75)
    assert found["gap_recovered"] == pytest.approx(2 / 3)
    assert found["controls"]["oracle"]["share"] == {"seconds": 0.5, "flops": 0.5}
    assert found["detection"]["auroc"] == 1.0
    assert (found["noise_rate_estimate"], found["kept_share"]) == (0.25, 0.75)
    assert found["cost"]["share"] == {"seconds": 0.25, "flops": 0.25}
    assert list(found["cost"]["stages"]) == ["score", "finetune"]


def test_what_is_unknown_is_null() -> None:
    found = metrics(Measured(before=_scores(2), after=None), Outcome(model=nn.Identity()))
    assert [found[key] for key in ("after", "detection", "kept_share", "gap_recovered")] == [None] * 4
    assert found["cost"]["share"] is None  # type: ignore[index]


def test_numbers_that_are_not_finite_become_null() -> None:
    assert cleaned({"a": float("nan"), "b": {"c": (float("inf"), 1.0)}}) == {
        "a": None,
        "b": {"c": [None, 1.0]},
    }
