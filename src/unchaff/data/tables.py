"""Samples -> a table in the layout of the Hugging Face hub."""

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from unchaff.bounded import read_table, reading
from unchaff.data import beside
from unchaff.data.columns import Columns, detect
from unchaff.data.delimited import is_delimited, read_delimited
from unchaff.data.encode import files_of
from unchaff.data.options import OF_COLUMNS, Options
from unchaff.data.parquet import ids_of, plain_ids, split_files
from unchaff.data.tagged import spelled
from unchaff.errors import DataError
from unchaff.features import features_of
from unchaff.samples import Ids, Samples

FILE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
DTYPES = {"double": "float64", "float": "float32", "halffloat": "float16"}  # Arrow's names to the hub's


Extra = Mapping[str, NDArray[np.generic]]  # further columns, one value a sample, sorted by id


def noisy_table(
    spec: str,
    options: Options,
    clean: Samples,
    noisy: Samples,
    *,
    extra: Extra = MappingProxyType({}),
    out: Path | None = None,
) -> pa.Table:
    """Return the noisy samples as a table; `out` is the folder it will lie in.

    Data from a table keep all columns but the label, and the inputs too where these were not changed. A text
    table does not where it names files, or was read by options: what is written is then what was read, and is
    read without options.

    Raises:
        DataError: they name files by paths that would not hold in another folder.
    """
    path = Path(spec).expanduser()
    found = _found(path, options)
    if found is None:
        return encoded(noisy, extra)
    table, folder = found
    has_new_inputs = noisy.source is not clean.source
    columns = detect(table.schema, options, beside.of_table(table, folder))
    if is_delimited(path):
        if not _reads_alone(table, columns, options):
            return encoded(noisy, extra)
        table = _apart(table, [name for name in columns.unused if name in extra])
    moves = out is not None and out.resolve() != folder.resolve()
    if columns.is_path and moves and not has_new_inputs:
        raise DataError(
            f"Column {columns.inputs[0]} of {path} names files in its folder. Write the new table into "
            f"{folder} too."
        )
    ids, _ = ids_of(table, columns, is_asked=options.id_column is not None)
    order = np.argsort(ids, kind="stable")
    rows = np.sort(order[np.searchsorted(ids[order], noisy.ids)])
    kept = table.take(pa.array(rows))
    places = np.searchsorted(noisy.ids, ids[rows])  # in the order of the file
    noisy = noisy.at(places)
    kept = _with(kept, columns.label, pa.array(noisy.labels.cpu().numpy()))
    if has_new_inputs:
        kept = _with_tags(_with_inputs(kept, columns, noisy), columns, noisy)
    kept = _with_ids(kept, columns, noisy.ids)
    for name, values in extra.items():
        kept = _added(kept, name, values[places])
    return kept.replace_schema_metadata(_described(kept, columns, noisy))


def _found(path: Path, options: Options) -> tuple[pa.Table, Path] | None:
    """Return the table that data are read from, and the folder it lies in; None: they are no table."""
    if is_delimited(path):
        with reading(path, "a table"):
            return read_delimited(path).slice(0, options.rows), path.parent
    files = [path] if path.suffix == ".parquet" else split_files(path, "train") if path.is_dir() else []
    return (read_table(files, rows=options.rows), files[0].parent) if files else None


def _reads_alone(table: pa.Table, columns: Columns, options: Options) -> bool:
    """Return whether a copy of a text table elsewhere, with rows left out, has the same columns and ids."""
    if columns.is_path or any(getattr(options, name) is not None for name in OF_COLUMNS):
        return False
    if columns.id is None:
        return True
    ids = table.column(columns.id)
    return not ids.null_count and len(ids.unique()) == len(ids)


def _apart(table: pa.Table, names: list[str]) -> pa.Table:
    """Return the table with columns of these names called otherwise."""
    return table.rename_columns([f"{name}_given" if name in names else name for name in table.column_names])


def _added(table: pa.Table, name: str, values: NDArray[np.generic]) -> pa.Table:
    if name in table.column_names:
        raise DataError(f"The data have a column {name} already. Rename it there.")
    return table.append_column(name, pa.array(values))


def encoded(samples: Samples, extra: Extra = MappingProxyType({})) -> pa.Table:
    """Return a table of samples that came from elsewhere, with ids and, if there, groups."""
    columns: dict[str, pa.Array] = {"id": pa.array(samples.ids)}
    names = _names(samples)
    columns |= dict(zip(names, _inputs(samples), strict=True))
    columns["label"] = pa.array(samples.labels.cpu().numpy())
    if samples.groups is not None:
        columns["group"] = pa.array(samples.groups)
    table = pa.table(columns)
    for name, values in extra.items():
        table = _added(table, name, values)
    is_media = samples.kind.name in ("image", "audio")
    roles = Columns(inputs=names, label="label", is_media=is_media, id="id", group=None)
    return table.replace_schema_metadata(_described(table, roles, samples))


def _names(samples: Samples) -> tuple[str, ...]:
    if samples.kind.name != "tabular":
        return (samples.kind.name,)
    if samples.columns and not {"id", "label", "group"} & set(samples.columns):
        return samples.columns
    return tuple(f"x{place}" for place in range(samples.kind.shape[0]))


def _inputs(samples: Samples) -> list[pa.Array]:
    if samples.texts is not None:
        return [pa.array(samples.texts.tolist(), type=pa.string())]
    if samples.kind.name == "tabular":
        values = samples.source.raw(np.arange(len(samples))).numpy()
        return [pa.array(values[:, place]) for place in range(values.shape[1])]
    files = zip(samples.ids.tolist(), files_of(samples), strict=True)
    cells = [{"bytes": content, "path": f"{_stem(one)}.{suffix}"} for one, (suffix, content) in files]
    return [pa.array(cells, type=FILE)]


def _stem(sample_id: int | str) -> str:
    return str(Path(str(sample_id)).with_suffix(""))


def _with(table: pa.Table, name: str, values: pa.Array) -> pa.Table:
    place = table.column_names.index(name)
    field = table.schema.field(place)
    return table.set_column(place, field.with_type(values.type), values)


def _with_inputs(table: pa.Table, columns: Columns, noisy: Samples) -> pa.Table:
    for name, values in zip(columns.inputs, _inputs(noisy), strict=True):
        table = _with(table, name, values)
    return table


def _with_tags(table: pa.Table, columns: Columns, noisy: Samples) -> pa.Table:
    if columns.tags is None or noisy.tags is None or noisy.texts is None:
        return table
    kind = table.schema.field(columns.tags).type
    return _with(table, columns.tags, pa.array(spelled(noisy.texts, noisy.tags), type=kind))


def _with_ids(table: pa.Table, columns: Columns, ids: Ids) -> pa.Table:
    """Add the ids where the rows of the new file would be numbered otherwise."""
    if np.array_equal(ids, np.arange(len(ids))):
        return table
    own = None if columns.id is None else table.column(columns.id)
    if own is not None and not own.null_count and plain_ids(own, "id").tolist() == ids.tolist():
        return table
    if "id" in table.column_names:
        raise DataError(
            "Rows were left out, so the ids must be written, but there is a column id with other values. "
            "Rename it, or make its values unique."
        )
    return table.append_column("id", pa.array(ids))


def _described(table: pa.Table, columns: Columns, samples: Samples) -> dict[bytes, bytes]:
    """Return schema metadata that name the classes and the kind of the input, as the hub libraries do."""
    old = features_of(table.schema)
    features: dict[str, Any] = {
        field.name: old.get(
            field.name, {"_type": "Value", "dtype": DTYPES.get(str(field.type), str(field.type))}
        )
        for field in table.schema
    }
    features[columns.label] = {"_type": "ClassLabel", "names": list(samples.class_names)}
    if columns.is_media:
        described = {"_type": samples.kind.name.capitalize()}
        features[columns.inputs[0]] = old.get(columns.inputs[0], described)
    carried = json.dumps({"info": {"features": features}}).encode()
    return {**(table.schema.metadata or {}), b"huggingface": carried}
