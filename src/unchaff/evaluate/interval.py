"""How sure a share is."""

from math import sqrt

Z_95 = 1.959963984540054  # two-sided 95 % of the normal distribution


def wilson(correct: int, n: int, z: float = Z_95) -> tuple[float, float]:
    """Return the Wilson score interval of `correct` out of `n`; it never leaves [0, 1].

    Source:
        Wilson 1927; for z = 1.96 it holds 95 % of the time, also near 0 and 1.

    >>> [round(end, 3) for end in wilson(95, 100)]
    [0.888, 0.978]
    """
    share = correct / n
    scale = 1 + z * z / n
    middle = (share + z * z / (2 * n)) / scale
    half = z / scale * sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    low = 0.0 if correct == 0 else middle - half
    high = 1.0 if correct == n else middle + half
    return low, high
