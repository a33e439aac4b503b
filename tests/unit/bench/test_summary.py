"""Means, spreads and paired differences, by hand."""

import pytest

from unchaff.bench.page import view
from unchaff.bench.rows import Row
from unchaff.bench.settings import Setting
from unchaff.bench.summary import outside, summarised
from unchaff.report.page import render

SETTING = Setting(name="ground", data="digits", noise="symmetric:0.4")


def row(name, seed, accuracy, **more):
    scores = None if accuracy is None else {"accuracy": accuracy}
    values = {"setting": "ground", "kind": "method", "share": {"flops": 0.25, "seconds": 0.3}, **more}
    return Row(key=f"{name}{seed}", name=name, seed=seed, scores=scores, **values)


ROWS = [
    row("nothing", 0, 0.4), row("nothing", 1, 0.5),
    row("oracle", 0, 0.8), row("oracle", 1, 0.7),
    row("unlearn@0.25", 0, 0.7, seconds=3.0, kept_share=0.6), row("unlearn@0.25", 1, 0.7, seconds=5.0),
    row("retrain@0.25", 1, 0.66),
    row("readout", 0, None, kind="detector", detection={"auroc": 0.9}),
    row("random-subset@0.25", 0, None, applies=False),
]  # fmt: skip


def test_means_and_leads_are_those_of_the_same_seeds():
    lines = {line.name: line for line in summarised(ROWS)}
    assert list(lines) == ["nothing", "oracle", "unlearn@0.25", "retrain@0.25", "readout"]
    ours = lines["unlearn@0.25"]
    assert (ours.seeds, ours.seconds, ours.kept_share.n) == ((0, 1), 4.0, 1)
    assert ours.accuracy.mean == pytest.approx(0.7)
    assert ours.lead is None
    assert ours.gap.mean == pytest.approx((0.75 + 1.0) / 2)
    assert lines["nothing"].lead.mean == pytest.approx(0.25)
    assert lines["nothing"].lead.deviation == pytest.approx(0.1 / 2**0.5)
    assert (lines["retrain@0.25"].lead.mean, lines["retrain@0.25"].lead.n) == (pytest.approx(0.04), 1)
    assert lines["readout"].auroc.mean == 0.9
    assert lines["readout"].accuracy is None


def test_a_number_outside_its_range_is_told():
    ranges = {"ground": {"unlearn@0.25": (0.65, 0.75), "nothing": (0.45, 0.6)}}
    assert outside(ROWS, ranges) == ["ground/nothing/0: accuracy 0.400, recorded range 0.450 to 0.600."]


def test_the_page_shows_every_number_and_names_what_is_missing(tmp_path):
    other = Setting(name="elsewhere", data="digits")
    html = render(view("smoke", [SETTING, other], ROWS, tmp_path / "results.jsonl"))
    assert '<td class="num">45.0 ± 7.1</td>' in html
    assert "Not yet measured: elsewhere." in html
    assert "<svg" in html
    assert "results.jsonl" in html
    assert "http" not in html.replace("http-equiv", "")
