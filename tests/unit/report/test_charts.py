import matplotlib as mpl
import numpy as np

from unchaff.report.charts import accuracy_against_cost, accuracy_bars, quality_histogram, spread
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


def test_all_kept_can_be_drawn() -> None:
    chart = quality_histogram(np.ones(10, dtype=np.float32), np.ones(10, dtype=bool))
    assert "10 of 10 samples are kept, 0 are set aside." in chart.caption


def test_names_move_apart_and_stay_in_order() -> None:
    moved = spread([5.0, 5.1, 5.2, 9.0], gap=1.0)
    np.testing.assert_allclose(moved, [4.1, 5.1, 6.1, 9.0])
