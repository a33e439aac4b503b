import pytest

from unchaff.cli import table
from unchaff.report.views import Verdict

JUDGED = Verdict(
    "good", "Worth repairing: from 50.0\u00a0% to 90.0\u00a0%.", ("\u22121.0 points.",), "fair: few."
)


def measured(**changes):
    scores = {"accuracy": 0.5, "macro_f1": 0.25, "interval": [0.45, 0.55]}
    share = {"seconds": 0.3, "flops": 0.24}
    return {
        "measured_on": "test",
        "before": scores,
        "after": scores | {"accuracy": 0.9, "macro_f1": 0.875},
        "controls": {"finetune-all": {**scores, "share": share}},
        "detection": {"auroc": 0.9712},
        "noise_rate_estimate": 0.389,
        "kept_share": 0.61,
        "abstained": False,
        "num_pruned_units": 7,
        "cost": {"seconds": 4.2, "share": share, "share_is_estimated": False},
    } | changes


def test_the_verdict_comes_first_in_plain_characters(capsys):
    table.show(measured(), JUDGED)
    said = capsys.readouterr().out.splitlines()
    assert said[:2] == ["Worth repairing: from 50.0 % to 90.0 %.", "Confidence: fair: few."]
    assert "-1.0 points." in said


def test_the_table_names_every_network(capsys):
    table.show(measured(), JUDGED)
    said = capsys.readouterr().out
    rows = {line.strip().split("  ")[0]: line for line in said.splitlines() if " % " in line}
    assert "50.0 %" in rows["before"]
    assert "45.0 to 55.0" in rows["before"]
    assert "90.0 %" in rows["repaired"]
    assert "87.5 %" in rows["repaired"]
    assert "0.24" in rows["repaired"]
    assert "control: finetune-all" in rows


def test_elsewhere_than_on_a_terminal_lines_are_plain(capsys):
    table.show(measured(), JUDGED)
    for line in capsys.readouterr().out.splitlines():
        assert line == line.rstrip()
        assert line.isprintable()


@pytest.mark.parametrize(
    ("width", "left"),
    [
        (120, ["network", "accuracy", "95 % interval", "macro F1", "cost share"]),
        (60, ["network", "accuracy", "macro F1", "cost share"]),
        (44, ["network", "accuracy", "cost share"]),
        (30, ["network", "accuracy"]),
    ],
)
def test_a_narrow_terminal_has_fewer_columns(width, left):
    assert [column.header for column in table.scores(measured(), width).columns] == left


def test_the_facts_are_told():
    assert table.facts(measured()) == [
        "Estimated noise rate 38.9 %; 61.0 % of the samples kept; 7 units pruned.",
        "Detection AUROC against the truth: 0.971.",
        "The repair took 4.2 s, the controls apart.",
    ]


def test_what_is_not_known_is_not_told():
    quiet = measured(detection=None, kept_share=None, controls={}, cost={"share": None, "seconds": 1.0})
    assert table.facts(quiet) == ["It took 1.0 s."]


def test_scoring_alone_has_one_row_and_its_share():
    scored = measured(after=None, controls={})
    names = list(table.scores(scored, 100).columns[0].cells)
    assert [str(name) for name in names] == ["network"]
    assert table.facts(scored)[-1] == "It took 4.2 s, 24.0 % of the operations of one full training."


@pytest.mark.parametrize(
    ("changes", "said"),
    [({"abstained": True}, "nothing to reject"), ({"detection": {"auroc": None}}, "not defined")],
)
def test_special_cases_are_said(changes, said):
    assert said in " ".join(table.facts(measured(**changes)))
