"""Parquet files in the layout of the Hugging Face hub: struct{bytes, path}, integer label, features."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from unchaff import limits
from unchaff.bounded import is_text, read_table, reading, schema_of
from unchaff.data import beside
from unchaff.data.columns import Columns, detect, medium_of
from unchaff.data.labels import labels_in
from unchaff.data.listing import Encoded, Listing, content_of, inside
from unchaff.data.options import Options
from unchaff.data.spool import Spool, size_of, spooled
from unchaff.errors import DataError
from unchaff.features import class_names_of
from unchaff.samples import Ids

SPOOLED_ABOVE = 256 * 1024**2  # bytes of the files in a table


@dataclass(frozen=True)
class FileColumn:
    """A column of files: their bytes in the table, or beside it under their path."""

    contents: pa.Array  # large_binary
    paths: pa.Array | None
    folder: Path

    def __len__(self) -> int:
        return len(self.contents)

    def __getitem__(self, row: int) -> bytes:
        held = self.contents[row].as_py()
        path = self.paths[row].as_py() if held is None and self.paths is not None else None
        return content_of(inside(self.folder, path)) if path is not None else held or b""


def split_files(folder: Path, split: str) -> list[Path]:
    """Return `train.parquet` or the shards `train-*.parquet` of a folder or of its subfolder data."""
    for place in (folder, folder / "data"):
        whole = place / f"{split}.parquet"
        if whole.is_file():
            return [whole]
        shards = sorted(place.glob(f"{split}-*.parquet"))
        if shards:
            return shards
    return []


def list_parquet(paths: list[Path], options: Options) -> Listing:
    """Return the listing of one table in one or several files.

    Raises:
        DataError: a file is not Parquet, or its columns do not fit.
    """
    columns = detect(schema_of(paths[0]), options, beside.of_parquet(paths[0]))
    where = "a Parquet file" if len(paths) == 1 else f"{len(paths)} Parquet files"
    is_id_asked = options.id_column is not None
    with reading(paths[0], "a table"):
        files: Encoded | None = _spooled(paths, columns, options)
        others = [name for name in columns.used if files is None or name not in columns.inputs]
        table = read_table(paths, others, rows=options.rows)
        if columns.is_media and files is None:
            files = file_column(table.column(columns.inputs[0]), paths[0].parent)
        return list_table(table, columns, files=files, where=where, is_id_asked=is_id_asked)


def _spooled(paths: list[Path], columns: Columns, options: Options) -> Spool | None:
    """Return the files in the table, if they are many or decoded on access, as rows on disk."""
    if not columns.is_media or columns.is_path or options.lazy is False:
        return None
    if options.lazy is None and size_of(paths) <= SPOOLED_ABOVE:
        return None
    return spooled(paths, columns.inputs[0], options.rows)


def list_table(
    table: pa.Table,
    columns: Columns,
    *,
    where: str,
    files: Encoded | None = None,
    is_id_asked: bool = False,
) -> Listing:
    """Return the listing of a table whose columns are known.

    Args:
        table: the rows.
        columns: which column is what.
        where: the start of the sentence that says what was found.
        files: the inputs, where they are files.
        is_id_asked: the id column was named by the user: repeated ids are then an error.
    """
    if table.num_rows == 0:
        raise DataError("The table has no rows. Give data with at least two classes.")
    ids, id_note = ids_of(table, columns, is_asked=is_id_asked)
    names = class_names_of(table.schema, columns.label)
    labels, class_names = labels_in(table.column(columns.label), names, f"Column {columns.label}")
    inputs: Encoded | NDArray[np.generic]
    if files is not None:
        if len(files) != table.num_rows:
            raise DataError(
                f"The table is broken: column {columns.inputs[0]} has {len(files)} rows, and the others have "
                f"{table.num_rows}. Write it again."
            )
        inputs = files
        medium = medium_of(table.schema, columns.inputs[0], _first(inputs))
    elif columns.is_text:
        inputs = np.array(table.column(columns.inputs[0]).to_pylist(), dtype=object)
        medium = "text"
    else:
        inputs = np.stack([_numbers(table.column(name)) for name in columns.inputs], axis=1)
        medium = "tabular"
    unused = f"; not used: {_few(columns.unused)}" if columns.unused else ""
    groups = None if columns.group is None else plain_ids(table.column(columns.group), columns.group)
    tags = None if columns.tags is None else tags_of(table.column(columns.tags))
    tagged = "" if columns.tags is None else f"; tags: {columns.tags}"
    return Listing(
        medium=medium,
        ids=ids,
        labels=labels,
        class_names=class_names,
        inputs=inputs,
        groups=groups,
        columns=columns.inputs if medium == "tabular" else (),
        tags=tags,
        found=f"{where} (inputs: {_few(columns.inputs)}; label: {columns.label}{tagged}; {id_note}{unused})",
    )


def _few(names: tuple[str, ...]) -> str:
    return ", ".join(names[:6]) + (", ..." if len(names) > 6 else "")


def ids_of(table: pa.Table, columns: Columns, *, is_asked: bool) -> tuple[Ids, str]:
    """Return the ids of the rows, and where they are from; a column the user named must be unique."""
    numbers = np.arange(table.num_rows)
    if columns.id is None:
        return numbers, "ids: row numbers"
    column = table.column(columns.id)
    if is_asked:
        return plain_ids(column, columns.id), f"ids: column {columns.id}"
    if column.null_count or len(column.unique()) < len(column):
        return numbers, f"ids: row numbers, as column {columns.id} is not unique"
    return plain_ids(column, columns.id), f"ids: column {columns.id}, by its name"


def plain_ids(column: pa.ChunkedArray, name: str) -> Ids:
    """Return the values of a column of ids or groups: whole numbers, or texts.

    Raises:
        DataError: a cell is empty, or far too long.
    """
    if column.null_count:
        raise DataError(
            f"Column {name} has {column.null_count} empty values. Fill them, or name another column."
        )
    if pa.types.is_integer(column.type):
        return column.cast(pa.int64()).to_numpy()
    values = [str(value) for value in column.to_pylist()]
    longest = max(map(len, values), default=0)
    if longest > limits.ID_CHARACTERS.value:
        raise DataError(f"Column {name} holds {longest:,} characters in one cell, {limits.ID_CHARACTERS}.")
    return np.array(values)


def tags_of(column: pa.ChunkedArray) -> NDArray[np.object_]:
    """Return a list of names for each row; none where the cell is empty."""
    lists = np.empty(len(column), dtype=object)
    for row, cell in enumerate(column.to_pylist()):
        lists[row] = cell or []
    return lists


def _numbers(column: pa.ChunkedArray) -> NDArray[np.float64]:
    return column.cast(pa.float64()).fill_null(float("nan")).to_numpy()


def file_column(column: pa.ChunkedArray, folder: Path) -> FileColumn:
    """Return the files of a column: structs of bytes and path, bytes, or paths; they lie in this folder."""
    if is_text(column.type):
        nothing = pa.nulls(len(column), pa.large_binary())
        return FileColumn(nothing, _joined(column, pa.large_string()), folder)
    if not pa.types.is_struct(column.type):
        return FileColumn(_joined(column, pa.large_binary()), None, folder)
    parts = {field.name: place for place, field in enumerate(column.type)}
    flat = column.flatten()
    paths = _joined(flat[parts["path"]], pa.large_string()) if "path" in parts else None
    return FileColumn(_joined(flat[parts["bytes"]], pa.large_binary()), paths, folder)


def _joined(column: pa.ChunkedArray, kind: pa.DataType) -> pa.Array:
    whole = column.cast(kind).combine_chunks()
    return pa.concat_arrays(whole.chunks) if isinstance(whole, pa.ChunkedArray) else whole


def _first(files: Encoded) -> bytes:
    for row in range(len(files)):
        try:
            if data := files[row]:
                return data
        except (OSError, DataError):
            continue
    return b""
