from dataclasses import replace

import pytest

from unchaff.evaluate.metrics import ON_HOLDOUT
from unchaff.report.verdict import verdict


def _told(run) -> tuple[str, str]:
    found = verdict(run.measured, run.outcome)
    return found.tone, found.sentence.replace("\u00a0", " ")


def test_a_clear_gain_is_worth_it(run) -> None:
    assert _told(run) == ("good", "Worth repairing: the accuracy rose from 70.0 % to 90.0 %.")
    details = " ".join(verdict(run.measured, run.outcome).details).replace("\u00a0", " ")
    assert "+15.0 points against the best control, finetune-all (75.0 %)" in details
    assert "It took 20 % of the operations of one full training" in details
    assert "It made 89 % of the way to the oracle" in details


def test_a_loss_is_said(remeasured, made) -> None:
    tone, sentence = _told(remeasured(after=made.scores(200)))
    assert tone == "bad"
    assert (
        sentence == "Not worth repairing: the accuracy fell from 70.0 % to 50.0 %. Keep the network you had."
    )


def test_a_gain_within_the_interval_may_be_chance(remeasured, made) -> None:
    tone, sentence = _told(remeasured(after=made.scores(284), controls={}))
    assert tone == "plain"
    assert "may be chance" in sentence


@pytest.mark.parametrize(
    ("right", "tone", "words"), [(399, "bad", "prefer that one"), (364, "plain", "chance")]
)
def test_a_control_that_does_better_is_named(remeasured, made, right, tone, words) -> None:
    found = _told(remeasured(controls={"retrain": made.control(right)}))
    assert found[0] == tone
    assert "but the control retrain did better" in found[1]
    assert words in found[1]


def test_the_oracle_is_no_rival(remeasured, made) -> None:
    assert _told(remeasured(controls={"oracle": made.control(400)}))[0] == "good"


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
