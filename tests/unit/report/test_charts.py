import re
from dataclasses import replace

import matplotlib as mpl
import numpy as np
import torch

from unchaff.evaluate.curves import inspect_noisy
from unchaff.records import Partition
from unchaff.report.charts import accuracy_against_cost, accuracy_bars, beside
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
    assert ">set aside</text>" not in chart.svg


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


CROWDED = [(25, 74), (25, 72.5), (25, 71.8), (24, 60), (24, 45), (98, 37), (60, 73.5)]
AREA = (0.0, 0.0, 260.0, 160.0)


def _boxes(dots, widths, moves) -> list[tuple[float, float, float, float]]:
    return [
        (x + left, y + up - 5.5, x + left + width, y + up + 5.5)
        for (x, y), width, (left, up) in zip(dots, widths, moves, strict=True)
    ]


def _meet(one, other) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def test_no_name_lies_on_another_on_a_dot_or_on_the_line() -> None:
    dots = [(2.0 * x, 2.0 * y) for x, y in CROWDED]
    widths = [5.6 * letters for letters in (14, 14, 8, 12, 13, 7, 6)]
    level = 76.0
    boxes = _boxes(dots, widths, beside(dots, widths, area=AREA, level=level))
    things = [(x - 5, y - 5, x + 5, y + 5) for x, y in dots] + [(0, level - 1, 260, level + 1)]
    for place, box in enumerate(boxes):
        assert not any(_meet(box, thing) for thing in things), place
        assert not any(_meet(box, other) for other in boxes[:place]), place
        assert AREA[0] <= min(box[0], box[1])
        assert box[2] <= AREA[2]
        assert box[3] <= AREA[3]


def test_no_accuracy_is_above_all_of_them() -> None:
    priced = [
        replace(_rung("repaired", "after", 1e9), accuracy=1.0),
        replace(_rung("retrain", "control", 5e9), accuracy=1.0),
    ]
    svg = accuracy_against_cost(priced).svg
    written = [float(each) for each in re.findall(r">(\d+(?:\.\d+)?)</text>", svg)]
    assert 100 in written
    assert not [each for each in written if 100 < each < 110]
