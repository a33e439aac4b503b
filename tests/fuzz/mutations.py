"""Broken files: arbitrary bytes, valid files with something changed, and values nobody expects."""

import json
from typing import Any

from hypothesis import strategies as st

# Where sizes stand in binary files, these are the ones that hurt.
SIZES = tuple(
    value.to_bytes(width, order)
    for width in (2, 4, 8)
    for value in (0, 1, 2 ** (8 * width - 1) - 1, 2 ** (8 * width - 1), 2 ** (8 * width) - 1)
    for order in ("little", "big")
)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["\x1b[2J", "<script>", "../../etc/passwd", "os:system", "\ud800"])
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@st.composite
def broken(draw: st.DrawFn, seeds: tuple[bytes, ...]) -> bytes:
    """Return bytes: arbitrary ones, or a valid file that was changed in up to four places."""
    if draw(st.integers(0, 9)) == 0:
        return draw(st.binary(max_size=200))
    content = bytearray(draw(st.sampled_from(seeds)))
    for _ in range(draw(st.integers(1, 4))):
        _change(draw, content)
    return bytes(content)


def _change(draw: st.DrawFn, content: bytearray) -> None:
    place = draw(st.integers(0, len(content)))
    if draw(st.booleans()):  # where most headers and footers are
        place = min(place % 64, len(content)) if draw(st.booleans()) else max(len(content) - place % 64, 0)
    length = draw(st.integers(0, 16))
    how = draw(st.sampled_from(["cut", "set", "size", "insert", "remove", "double"]))
    if how == "cut":
        del content[place:]
    elif how == "set":
        content[place : place + 1] = draw(st.binary(min_size=1, max_size=1))
    elif how == "size":
        size = draw(st.sampled_from(SIZES))
        content[place : place + len(size)] = size
    elif how == "insert":
        content[place:place] = draw(st.binary(max_size=16))
    elif how == "remove":
        del content[place : place + length]
    else:
        content[place:place] = content[place : place + length]


@st.composite
def broken_json(draw: st.DrawFn, seeds: tuple[bytes, ...]) -> bytes:
    """Return a JSON text of which one value is another, missing, or far too deep."""
    content = json.loads(draw(st.sampled_from(seeds)))
    place: Any = content
    while True:
        keys = list(place) if isinstance(place, dict) else range(len(place))
        key = draw(st.sampled_from(keys))
        if not isinstance(place[key], dict | list) or not place[key] or draw(st.booleans()):
            break
        place = place[key]
    if draw(st.booleans()):
        place[key] = draw(VALUES)
    else:
        del place[key]
    text = json.dumps(content)
    if draw(st.integers(0, 19)) == 0:
        text = text.replace(":", ":" + "[" * 100_000, 1)
    return text.encode()
