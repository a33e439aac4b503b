"""Rows of a results file, one measurement each, by the key of what was measured."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol, TypeVar, runtime_checkable

from unchaff.errors import DataError
from unchaff.whole import put


@runtime_checkable
class Keyed(Protocol):
    """What has a key and a name."""

    @property
    def key(self) -> str:
        """A hash of all that decides what is measured."""
        ...


Todo = TypeVar("Todo", bound=Keyed)
Row = TypeVar("Row")


def key_of(settings: Mapping[str, object]) -> str:
    """Return a hash of all that decides what is measured."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:20]


def known(file: Path, kind: Callable[..., Row]) -> dict[str, Row]:
    """Return what a results file holds, by key.

    Raises:
        DataError: a line of it is no result.
    """
    try:
        lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
        found = [json.loads(line) for line in lines]
        return {line["key"]: kind(**line) for line in found}
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise DataError(
            f"{file} holds a line that is no result. Repair it, or give another --out."
        ) from error


def measured(
    todo: Sequence[Todo], file: Path, kind: Callable[..., Row], by: Callable[[Todo], Row]
) -> Iterator[Row]:
    """Measure what the results file lacks, and yield each row when it is in there."""
    rows: dict[str, Any] = known(file, kind)
    for each in todo:
        if each.key not in rows:
            rows[each.key] = by(each)
            put(file, "".join(f"{json.dumps(asdict(row))}\n" for row in rows.values()).encode())
            yield rows[each.key]
