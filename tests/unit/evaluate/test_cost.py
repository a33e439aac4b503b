from unchaff.evaluate.cost import gap_recovered, share
from unchaff.records import Cost


def test_unmeasured_cost_has_no_share() -> None:
    assert share(Cost(seconds=1, flops=2), Cost(seconds=4)) == {"seconds": 0.25, "flops": None}


def test_gap_is_none_where_the_oracle_is_no_better() -> None:
    assert gap_recovered(0.9, 0.8, 0.9) is None


def test_gap_may_be_negative() -> None:
    assert gap_recovered(0.5, 0.25, 1.0) == -0.5
