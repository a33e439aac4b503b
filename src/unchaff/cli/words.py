"""Numbers and sentences as a terminal shows them."""

import shlex
from pathlib import Path

from unchaff.report import words

# What a page writes between digits and before units, where a terminal has plain characters.
PLAIN = str.maketrans({"\u00a0": " ", "\u202f": ",", "\u2212": "-", "\u2026": "..."})
A_FEW = 10  # of a rate, below which its first decimal says something


def plain(sentence: str) -> str:
    r"""Return a sentence of a page so that a terminal can show it, and `grep` find it.

    >>> plain("1\u202f347 labels, 38\u00a0% wrong")
    '1,347 labels, 38 % wrong'
    """
    return sentence.translate(PLAIN)


def percent(fraction: float | None) -> str:
    """Return a fraction as per cent.

    >>> percent(0.8642)
    '86.4 %'
    """
    return "-" if fraction is None else plain(words.percent(fraction))


def duration(seconds: float) -> str:
    """Return seconds as a person says them.

    >>> duration(75), duration(0.4), duration(7300)
    ('1.2 min', '0.4 s', '2.0 h')
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 3600 else f"{seconds / 3600:.1f} h"


def rate(count: float, seconds: float) -> str:
    """Return how fast something goes, in a unit in which it is above 1 if it can be.

    >>> rate(12600, 3), rate(9, 2), rate(6, 30)
    ('4,200 a second', '4.5 a second', '12 a minute')
    """
    each, unit = (count / seconds, "second") if count >= seconds else (60 * count / seconds, "minute")
    return f"{each:,.0f} a {unit}" if each >= A_FEW else f"{each:.1f} a {unit}"


def pasted(path: Path) -> str:
    """Return a path so that it can be copied into a command.

    >>> pasted(Path("runs/my first"))
    "'runs/my first'"
    """
    return shlex.quote(str(path))
