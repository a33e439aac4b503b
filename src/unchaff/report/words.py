"""Numbers as a reader wants to see them, and names of which every character is seen."""

import re
from math import isfinite

UNITS = ((1e18, "E"), (1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
NBSP = "\u00a0"
MINUS = "\u2212"
NONE = "\u2013"  # in a cell without a number
NARROW = "\u202f"  # space between groups of digits
# Control characters, halves of characters, line ends of Unicode, marks that turn the reading direction, and
# what takes no room at all.
STEERING = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]"
)


def visible(text: str) -> str:
    r"""Return a text on one line of which every character is seen, and none turns the others around.

    >>> visible("a\x1b[2Jb\nc")
    'a\\x1b[2Jb\\nc'
    """
    return STEERING.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def percent(share: float, digits: int = 1) -> str:
    """Return a share as a percentage.

    >>> percent(0.7667).replace(NBSP, " ")
    '76.7 %'
    """
    return f"{share * 100:.{digits}f}{NBSP}%"


def points(difference: float) -> str:
    """Return a difference of two shares in percentage points, always with its sign."""
    rounded = round(difference * 100, 1)
    sign = "+" if rounded > 0 else MINUS if rounded < 0 else "\u00b1"
    return f"{sign}{abs(rounded):.1f}"


def flops(count: float) -> str:
    """Return a number of operations with its unit.

    >>> flops(3.2e9).replace(NBSP, " ")
    '3.2 GFLOP'
    """
    for size, unit in UNITS:
        if count >= size:
            return f"{count / size:.3g}{NBSP}{unit}FLOP"
    return f"{count:.0f}{NBSP}FLOP"


def seconds(duration: float) -> str:
    """Return a duration.

    >>> seconds(135.2).replace(NBSP, " ")
    '2 min 15 s'
    """
    if duration < 60:
        return f"{duration:.1f}{NBSP}s"
    minutes, rest = divmod(round(duration), 60)
    if minutes < 60:
        return f"{minutes}{NBSP}min {rest}{NBSP}s"
    return f"{minutes // 60}{NBSP}h {minutes % 60}{NBSP}min"


def count(number: int) -> str:
    """Return a whole number in groups of three.

    >>> count(50000).replace(NARROW, " ")
    '50 000'
    """
    return f"{number:,}".replace(",", NARROW)


def number(value: float) -> str:
    """Return a number to three digits, with a real minus sign; a dash where there is none.

    >>> number(-4.1).replace(MINUS, "-")
    '-4.10'
    """
    return f"{value:#.3g}".rstrip(".").replace("-", MINUS) if isfinite(value) else NONE


def quality(value: float) -> str:
    """Return a probability to three places.

    >>> quality(0.00001).replace(NBSP, " ")
    '< 0.001'
    """
    return f"<{NBSP}0.001" if 0 < value < 0.0005 else f"{value:.3f}"
