import matplotlib as mpl
import numpy as np
import torch

from unchaff.evaluate.curves import inspect_noisy
from unchaff.records import Partition
from unchaff.report.charts import accuracy_against_cost, accuracy_bars, spread
from unchaff.report.found import found_against_inspected
from unchaff.report.splits import quality_histogram
from unchaff.report.views import Rung


def _rung(name: str, role, flops: float | None) -> Rung:
    return Rung(
        name=name,
        role=role,
        accuracy=0.8,
        interval=(0.7, 0.9),
        macro_f1=0.8,
        seconds=1.0,
        flops=flops,
        share=None,
        seconds_share=None,
    )


def test_the_callers_style_is_left_alone() -> None:
    before = dict(mpl.rcParams)
    accuracy_bars([_rung("before", "before", None)])
    assert dict(mpl.rcParams) == before


def test_letters_stay_letters() -> None:
    svg = accuracy_bars([_rung("a_$name$", "control", None)]).svg
    assert "a_$name$</text>" in svg
    assert "font-family" not in svg
    assert "DejaVu" not in svg


def test_cost_is_drawn_when_two_are_known() -> None:
    priced = [_rung("repaired", "after", 1e9), _rung("retrain", "control", 5e9)]
    assert accuracy_against_cost(priced) is not None
    assert accuracy_against_cost(priced[:1]) is None
    assert accuracy_against_cost([priced[0], _rung("nothing", "control", 0.0)]) is None


def _split(quality: list[float], kept: list[bool], threshold: float | None) -> Partition:
    ids = np.arange(len(quality))
    return Partition(ids=ids, quality=torch.tensor(quality), kept=torch.tensor(kept), threshold=threshold)


def test_all_kept_can_be_drawn() -> None:
    chart = quality_histogram(_split([1.0] * 10, [True] * 10, None))
    assert "10 of 10 samples are kept, 0 are set aside." in chart.caption


def test_who_is_beyond_the_line_is_said() -> None:
    chart = quality_histogram(_split([0.1, 0.25, 0.9], [False, True, True], 0.65))
    assert "1 below the line are kept all the same" in chart.caption
    assert "above it" not in chart.caption
    assert chart.numbers.rows[2] == ("0.2 \u2013 0.3", "1", "0")


def test_found_stands_between_chance_and_perfection() -> None:
    quality = np.arange(8) / 10
    curve = inspect_noisy(quality, np.array([True, False, True, False, False, False, False, False]))
    chart = found_against_inspected(curve, rate=0.25)
    shown = {
        row[0]: row[1:]
        for row in ([cell.replace("\u00a0", " ") for cell in row] for row in chart.numbers.rows)
    }
    assert shown["50 %"] == ["100.0 %", "50.0 %", "100.0 %"]
    assert shown["10 %"] == ["40.0 %", "10.0 %", "40.0 %"]
    assert "finds 50.0" in chart.caption


def test_names_move_apart_and_stay_in_order() -> None:
    moved = spread([5.0, 5.1, 5.2, 9.0], gap=1.0)
    np.testing.assert_allclose(moved, [4.1, 5.1, 6.1, 9.0])
