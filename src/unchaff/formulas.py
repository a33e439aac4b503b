"""Names that a spreadsheet would take for a program."""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what a formula begins with


def harmless(values: Sequence[Any]) -> pa.Array:
    """Return a column in which no text is a formula to a spreadsheet: such a one gets a quote before it."""
    return pa.array(
        [f"'{one}" if isinstance(one, str) and one.startswith(FORMULA) else one for one in values]
    )
