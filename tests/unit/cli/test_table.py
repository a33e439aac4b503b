import pytest

from unchaff.cli import table


def measured(**changes):
    scores = {"accuracy": 0.5, "macro_f1": 0.25}
    share = {"seconds": 0.3, "flops": 0.24}
    return {
        "measured_on": "test",
        "before": scores,
        "after": {"accuracy": 0.9, "macro_f1": 0.875},
        "controls": {"finetune-all": {**scores, "share": share}},
        "detection": {"auroc": 0.9712},
        "noise_rate_estimate": 0.389,
        "kept_share": 0.61,
        "abstained": False,
        "num_pruned_units": 7,
        "cost": {"seconds": 4.2, "share": share, "share_is_estimated": False},
    } | changes


def test_the_table_names_every_network(capsys):
    table.show(measured())
    said = capsys.readouterr().out
    rows = {line.strip().split("  ")[0]: line for line in said.splitlines() if "%" in line}
    assert "50.0 %" in rows["before"]
    assert "90.0 %" in rows["repaired"]
    assert "87.5 %" in rows["repaired"]
    assert "0.24" in rows["repaired"]
    assert "control: finetune-all" in rows


def test_the_facts_are_told(capsys):
    table.show(measured())
    said = capsys.readouterr().out
    assert "Kept 61.0 % of the samples (7 units pruned); estimated noise rate 38.9 %." in said
    assert "Detection AUROC against the truth: 0.971." in said
    assert "Cost share: 0.24 of the FLOPs of one full training, scoring included; 4.2 s." in said


def test_what_is_not_known_is_not_told():
    quiet = measured(detection=None, kept_share=None, cost={"share": None, "seconds": 1.0})
    assert table.facts(quiet) == []


def test_scoring_alone_has_no_repaired_row(capsys):
    table.show(measured(after=None, controls={}))
    assert "repaired" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"abstained": True}, "nothing to reject"),
        ({"detection": {"auroc": None}}, "not defined"),
        (
            {"cost": {"seconds": 1.0, "share": {"flops": 0.1}, "share_is_estimated": True}},
            "estimated: the recipe",
        ),
    ],
)
def test_special_cases_are_said(changes, said):
    assert said in " ".join(table.facts(measured(**changes)))
