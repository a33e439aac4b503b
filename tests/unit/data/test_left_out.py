from unchaff.data.assemble import left_out
from unchaff.data.options import Skipped


def test_what_is_left_out_is_counted_by_reason_and_some_are_named():
    skipped = [Skipped(row, "no label") for row in range(7)] + [Skipped("x", "holds NaN")]
    (said,) = left_out(skipped)
    assert said.startswith(
        "8 samples cannot be used and are left out (no label: 7, holds NaN: 1), such as 0, 1, 2,"
    )
    assert "A label of -1, or an empty one, means that there is none." in said
    assert "label of -1" not in left_out(skipped[7:])[0]
    assert left_out(()) == []
