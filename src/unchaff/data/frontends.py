"""What a saved model says of how its inputs are prepared, and back."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from unchaff.data.extracted import Extracted
from unchaff.data.prepare import AsIs, LogMel, Pixels, Plain, Prepare
from unchaff.data.tokens import Tokens
from unchaff.data.words import Words
from unchaff.errors import DataError

Known = Pixels | Plain | LogMel | AsIs | Words | Extracted | Tokens
PREPARES: Mapping[str, type[Known]] = MappingProxyType(
    {
        "pixels": Pixels,
        "plain": Plain,
        "logmel": LogMel,
        "as-is": AsIs,
        "words": Words,
        "extracted": Extracted,
        "tokens": Tokens,
    }
)


def from_json(saved: Mapping[str, Any]) -> Prepare:
    """Rebuild what `to_json` described.

    Raises:
        DataError: if the kind is not one of ours.
    """
    kind = str(saved.get("kind"))
    if kind not in PREPARES:
        raise DataError(f"The frontend {kind!r} is not known. Known are: {', '.join(PREPARES)}.")
    fields: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list | tuple) else value
        for name, value in saved.items()
        if name != "kind"
    }
    return PREPARES[kind](**fields)
