"""What a repair took, beside what one full training takes."""

from unchaff.records import Cost


def share(cost: Cost, full: Cost) -> dict[str, float | None]:
    """Return seconds and FLOPs as shares of a full training; None where that was not measured.

    >>> share(Cost(seconds=5, flops=2e9), Cost(seconds=20, flops=1e10))
    {'seconds': 0.25, 'flops': 0.2}
    """
    return {
        "seconds": cost.seconds / full.seconds if full.seconds > 0 else None,
        "flops": cost.flops / full.flops if full.flops > 0 else None,
    }


def gap_recovered(before: float, after: float, oracle: float) -> float | None:
    """Return which part of the way from before to the oracle was made; None where there is no way.

    >>> gap_recovered(0.5, 0.7, 0.9)
    0.5
    """
    gap = oracle - before
    return round((after - before) / gap, 12) if gap > 0 else None
