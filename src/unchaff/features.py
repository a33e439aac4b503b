"""What a table says of its columns, in the way of the Hugging Face libraries."""

import json
from typing import Any

import pyarrow as pa

from unchaff.errors import DataError


def features_of(schema: pa.Schema) -> dict[str, Any]:
    """Return the Hugging Face description of the columns, if the file carries one."""
    carried = (schema.metadata or {}).get(b"huggingface")
    try:
        told = None if carried is None else json.loads(carried)
    except (ValueError, RecursionError) as error:
        raise DataError(f"What the file says of its columns is no JSON ({type(error).__name__}).") from error
    for name in ("info", "features"):
        told = told.get(name) if isinstance(told, dict) else None
    return told if isinstance(told, dict) else {}


def class_names_of(schema: pa.Schema, label: str) -> tuple[str, ...] | None:
    """Return the names of the classes, if the file carries them."""
    names = feature_of(schema, label).get("names")
    return tuple(map(str, names)) if isinstance(names, list) else None


def feature_of(schema: pa.Schema, column: str) -> dict[str, Any]:
    """Return what is said of one column; nothing where that is no object."""
    feature = features_of(schema).get(column)
    return feature if isinstance(feature, dict) else {}
