"""Which column of a table is what: by feature metadata and type, never by guessing between several."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pyarrow as pa

from unchaff.bounded import is_text
from unchaff.data import beside
from unchaff.data.images import BROKEN, opened
from unchaff.data.labels import check_label_type, is_number
from unchaff.data.options import Options
from unchaff.errors import DataError
from unchaff.features import feature_of

LABEL_NAMES = ("label", "labels", "target", "y", "class")
TEXT_NAMES = ("text", "sentence")
TAG_NAMES = ("tags", "slots")  # one per word of a text


@dataclass(frozen=True, kw_only=True)
class Columns:
    """The columns of a table that are used."""

    inputs: tuple[str, ...]  # several for tabular data
    label: str
    is_media: bool  # the input column holds files
    is_text: bool = field(default=False, kw_only=True)  # it holds texts
    is_path: bool = field(default=False, kw_only=True)  # it names files that lie beside the table
    id: str | None
    group: str | None
    tags: str | None = None  # one list of tags a text, by its name
    unused: tuple[str, ...] = ()  # what else the table holds

    @property
    def used(self) -> list[str]:
        """All of them, each once."""
        named = (*self.inputs, self.label, self.id, self.group, self.tags)
        return list(dict.fromkeys(name for name in named if name is not None))


def medium_of(schema: pa.Schema, column: str, first: bytes) -> str:
    """Return "image" or "audio", by the description of the column or else by its first file."""
    described = feature_of(schema, column).get("_type")
    if described in ("Image", "Audio"):
        return str(described).lower()
    try:
        opened(first).close()
    except BROKEN:
        return "audio"
    return "image"


def detect(schema: pa.Schema, options: Options, names: beside.Names = beside.none) -> Columns:
    """Return which column is what.

    Args:
        schema: of the table.
        options: columns that the user named.
        names: says of a column of texts whether these are names of image or sound files.

    Raises:
        DataError: a named column is absent, or several could be meant; texts name files that are not there.
    """
    found = _found(schema, options, names)
    return replace(found, unused=tuple(name for name in schema.names if name not in found.used))


def _found(schema: pa.Schema, options: Options, names: beside.Names) -> Columns:
    label = _label(schema, options)
    named_id = _named(schema, options.id_column, "--id-column")
    id_column = named_id or ("id" if "id" in schema.names and label != "id" else None)
    group = _named(schema, options.group_column, "--group-column")
    media = [name for name in schema.names if _is_media(schema, name)]
    chosen = _named(schema, options.input_column, "--input-column")
    if chosen is None and media:
        chosen = _only(media, "input", "--input-column")
    others = [name for name in schema.names if name not in {label, id_column, group}]
    chosen = chosen or _path(schema, others, names) or _text(schema, others)
    inputs = (chosen,) if chosen else tuple(name for name in others if _is_number(schema, name))
    if not inputs:
        raise DataError(f"No image, audio, text or numeric column among {', '.join(schema.names)}.")
    is_media, is_text = chosen in media, chosen is not None and _is_string(schema, chosen)
    fault = names(chosen) if chosen and is_text else None
    if fault:
        raise DataError(
            f"Column {chosen} names image or sound files, but {fault}. Put them into the folder of the "
            "table, or name another column with --input-column."
        )
    if fault is not None:
        return Columns(inputs=inputs, label=label, is_media=True, is_path=True, id=id_column, group=group)
    if chosen and not (is_media or is_text or _is_number(schema, chosen)):
        raise DataError(
            f"Column {chosen} is of type {schema.field(chosen).type}. Give images, audio, text or numbers."
        )
    return Columns(
        inputs=inputs,
        label=label,
        is_media=is_media,
        is_text=is_text,
        id=id_column,
        group=group,
        tags=_tags(schema) if is_text else None,
    )


def _tags(schema: pa.Schema) -> str | None:
    """Return the column of lists of names that is called so; None: there is none."""
    called = [name for name in schema.names if name.lower() in TAG_NAMES and _is_list(schema, name)]
    return called[0] if len(called) == 1 else None


def _is_list(schema: pa.Schema, name: str) -> bool:
    kind = schema.field(name).type
    if not (pa.types.is_list(kind) or pa.types.is_large_list(kind)):
        return False
    return is_text(kind.value_type)


def _path(schema: pa.Schema, columns: Sequence[str], names: beside.Names) -> str | None:
    """Return the column that names files which are there; with one called text, either could be meant."""
    strings = [name for name in columns if _is_string(schema, name)]
    paths = [name for name in strings if names(name) == ""]
    called = [name for name in strings if name.lower() in TEXT_NAMES and name not in paths]
    return _only([*paths, *called], "input", "--input-column") if paths else None


def _text(schema: pa.Schema, names: Sequence[str]) -> str | None:
    """Return the column of texts: the one called so, or the only one of strings where none is numeric."""
    strings = [name for name in names if _is_string(schema, name)]
    called = [name for name in strings if name.lower() in TEXT_NAMES]
    if called:
        return _only(called, "text", "--input-column")
    if strings and not any(_is_number(schema, name) for name in names):
        return _only(strings, "text", "--input-column")
    return None


def _is_string(schema: pa.Schema, name: str) -> bool:
    return is_text(schema.field(name).type)


def _is_media(schema: pa.Schema, name: str) -> bool:
    kind = schema.field(name).type
    if pa.types.is_struct(kind):
        return any(field.name == "bytes" for field in kind)
    return pa.types.is_binary(kind) or pa.types.is_large_binary(kind)


def _is_number(schema: pa.Schema, name: str) -> bool:
    return is_number(schema.field(name).type)


def _named(schema: pa.Schema, name: str | None, flag: str) -> str | None:
    if name is not None and name not in schema.names:
        raise DataError(f"There is no column {name}. {flag} can be one of {', '.join(schema.names)}.")
    return name


def _only(candidates: Sequence[str], role: str, flag: str) -> str:
    if len(candidates) > 1:
        raise DataError(
            f"Several columns could be the {role}: {', '.join(candidates)}. Name one with {flag}."
        )
    return candidates[0]


def _label(schema: pa.Schema, options: Options) -> str:
    label = _named(schema, options.label_column, "--label-column")
    if label is None:
        described = [name for name in schema.names if feature_of(schema, name).get("_type") == "ClassLabel"]
        likely = described or [name for name in schema.names if name.lower() in LABEL_NAMES]
        if not likely:
            raise DataError(f"No label column among {', '.join(schema.names)}. Name it with --label-column.")
        label = _only(likely, "label", "--label-column")
    kind, advice = schema.field(label).type, " --label-column names another."
    check_label_type(kind, f"Column {label}", advice=advice)
    return label
