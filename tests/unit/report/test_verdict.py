from dataclasses import replace

import pytest

from unchaff.evaluate.metrics import ON_HOLDOUT
from unchaff.partition.transition import BLIND
from unchaff.records import Cost
from unchaff.report.verdict import verdict


def _told(run) -> tuple[str, str]:
    found = verdict(run.measured, run.outcome)
    return found.tone, found.sentence.replace("\u00a0", " ")


def test_a_clear_gain_is_worth_it(run) -> None:
    said = "about 51 % of the labels look wrong; accuracy on your test set 70.0 \u2192 90.0 %, the control "
    assert _told(run) == ("good", f"Worth repairing: {said}finetune-all gives 75.0 % at 78 % of the cost.")
    details = " ".join(verdict(run.measured, run.outcome).details).replace("\u00a0", " ")
    assert "+15.0 points against the best control, finetune-all (75.0 %)" in details
    assert "It took 20 % of the operations of one full training" in details
    assert "It made 89 % of the way to the oracle" in details


def test_a_loss_is_said(remeasured, made) -> None:
    tone, sentence = _told(remeasured(after=made.scores(200)))
    assert tone == "bad"
    said = "about 51 % of the labels look wrong; accuracy on your test set 70.0 \u2192 50.0 %"
    assert sentence == f"Not worth repairing: {said}. Keep the network you had."


def test_a_gain_within_the_interval_may_be_chance(remeasured, made) -> None:
    tone, sentence = _told(remeasured(after=made.scores(284), controls={}))
    assert tone == "plain"
    assert "may be chance" in sentence


@pytest.mark.parametrize(
    ("right", "tone", "begins", "ends"),
    [
        (399, "bad", "Not worth repairing this way", "prefer that one."),
        (364, "plain", "Worth repairing, this way or another", "which may be chance."),
    ],
)
def test_a_control_that_does_better_is_named(remeasured, made, right, tone, begins, ends) -> None:
    found = _told(remeasured(controls={"retrain": made.control(right)}))
    assert found[0] == tone
    assert "the control retrain did better" in found[1]
    assert found[1].startswith(f"{begins}: ")
    assert found[1].endswith(ends)


def test_retraining_is_told_where_another_control_did_better(remeasured, made) -> None:
    retrain = replace(made.control(284), cost=Cost(1, 1, 38e9))
    found = _told(remeasured(controls={"finetune-all": made.control(364), "retrain": retrain}))[1]
    said = "retraining gives 71.0 % at 4.2 times the cost; the control finetune-all did better with 91.0 %"
    assert f"90.0 %, {said}, which may be chance." in found


def test_a_gain_and_a_better_control_may_both_be_chance(remeasured, made) -> None:
    found = _told(remeasured(after=made.scores(284), controls={"retrain": made.control(288)}))
    assert found[0] == "plain"
    assert found[1].startswith("Perhaps worth repairing: ")


def test_the_oracle_is_no_rival(remeasured, made) -> None:
    assert _told(remeasured(controls={"oracle": made.control(400)}))[0] == "good"


def test_equal_accuracies_have_no_order(remeasured, made) -> None:
    found = remeasured(controls={"retrain": made.control(360)})
    said = verdict(found.measured, found.outcome).details[0].replace("\u00a0", " ")
    assert said == "Level with the best control, retrain (90.0 %)."


def test_no_control_is_a_limit(remeasured) -> None:
    found = remeasured(controls={})
    assert "No control was run" in verdict(found.measured, found.outcome).details[0]


def test_noisy_labels_are_a_limit(remeasured) -> None:
    found = remeasured(measured_on=ON_HOLDOUT)
    assert "their own noisy labels" in verdict(found.measured, found.outcome).details[-1]


@pytest.mark.parametrize(("right", "tone"), [(280, "plain"), (270, "bad")])
def test_abstaining_is_said(run, remeasured, made, right, tone) -> None:
    split = replace(run.outcome.partition, abstained=True)
    found = replace(remeasured(after=made.scores(right)), outcome=replace(run.outcome, partition=split))
    assert _told(found)[0] == tone
    assert "There is nothing to repair" in _told(found)[1]


def test_what_sees_nothing_is_no_proof_of_clean_data(run, remeasured, made) -> None:
    split = replace(run.outcome.partition, abstained=True, reason=BLIND)
    found = replace(remeasured(after=made.scores(280)), outcome=replace(run.outcome, partition=split))
    assert _told(found)[1].startswith("What is read of the samples does not tell the classes apart: nothing")
    assert verdict(replace(found.measured, after=None), found.outcome).sentence == _told(found)[1]


@pytest.mark.parametrize(
    ("flops", "said"),
    [
        (38e9, "retraining gives 71.0 % at 4.2 times the cost"),
        (9e9, "retraining gives 71.0 % at the same cost"),
        (4.5e9, "retraining gives 71.0 % at 50 % of the cost"),
    ],
)
def test_retraining_is_told_with_its_cost_before_other_controls(remeasured, made, flops, said) -> None:
    retrain = replace(made.control(284), cost=Cost(1, 1, flops))
    found = remeasured(controls={"finetune-all": made.control(300), "retrain": retrain})
    assert _told(found)[1].endswith(f"{said}.")


def _confidence(run) -> str:
    return verdict(run.measured, run.outcome).confidence.replace("\u00a0", " ")


def test_confidence_is_high_only_where_all_intervals_lie_apart(remeasured, made) -> None:
    assert _confidence(remeasured()).startswith("high: on 400 samples the 95 % intervals")
    close = remeasured(controls={"retrain": made.control(355)})
    assert _confidence(close).startswith("fair: ")
    assert "those of the repaired network and of retrain overlap." in _confidence(close)
    assert _confidence(remeasured(after=made.scores(284), controls={})).startswith("low: ")


def test_where_the_truth_is_known_the_estimate_is_held_against_it(remeasured) -> None:
    said = " The estimated rate of noise is 25.8 points above the true one, 25.0 %."
    assert _confidence(remeasured()).endswith(said)
    assert "true one" not in _confidence(remeasured(detection=None))


def test_a_clear_loss_is_certain_whatever_a_control_did(remeasured, made) -> None:
    found = remeasured(after=made.scores(200), controls={"finetune-all": made.control(205)})
    assert _confidence(found).startswith("high: ")


def test_noisy_labels_never_give_high_confidence(remeasured) -> None:
    found = remeasured(measured_on=ON_HOLDOUT)
    assert _confidence(found).startswith("fair: ")
    assert "on held-out samples with their noisy labels" in _told(found)[1]


def test_without_a_test_nothing_is_claimed(remeasured) -> None:
    found = remeasured(before=None, after=None, controls={}, detection=None)
    assert "nothing was measured" in _told(found)[1]
    assert _confidence(found).startswith("none: ")


def test_inputs_that_are_spoiled_are_not_called_labels(run, remeasured) -> None:
    split = replace(run.outcome.partition, threshold=None)
    found = replace(remeasured(), outcome=replace(run.outcome, partition=split))
    assert "about 51 % of the samples look unfit to learn from" in _told(found)[1]
