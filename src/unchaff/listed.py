"""Names in a sentence, of which there may be too many."""

from collections.abc import Sequence


def listed(names: Sequence[object], most: int) -> str:
    """Return the first so many of the names, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"{', '.join(map(str, names[:most]))}{more}"
