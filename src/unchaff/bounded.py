"""Tables of Parquet files, read in portions: no more is unpacked than is allowed, whatever a file claims."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import IOBase
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from unchaff import limits
from unchaff.errors import DataError

MANY_ROWS = 2**20  # of places in lists, between two looks at the sum
SOME_ROWS = 65_536  # of the cells themselves
PORTION_ROWS = 512  # of them, where a few thousand rows are read
BUFFER = 2**20  # bytes read at once of a column that is not read whole

# What pyarrow raises over a broken file differs from one broken place to another.
BROKEN = (pa.ArrowException, OSError, UnicodeError, OverflowError, MemoryError)

Kind = Callable[[pa.DataType], bool]


@contextmanager
def reading(path: Path | str, what: str) -> Iterator[None]:
    """Turn what a broken file makes the reader raise into one sentence; `what` is such as "a table".

    Raises:
        DataError: the file cannot be read.
        PermissionError: it may not be read.
    """
    try:
        yield
    except (DataError, PermissionError):
        raise
    except BROKEN as error:
        told = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
        raise DataError(f"{path} cannot be read as {what}: {told}. Give another file.") from error


def schema_of(path: Path) -> pa.Schema:
    """Return the columns of a file and what is said about them.

    Raises:
        DataError: it is no Parquet file.
    """
    with reading(path, "Parquet"):
        schema = pq.read_schema(path)
        check_names(schema)
        return schema


def check_names(schema: pa.Schema) -> None:
    """Refuse a table with two columns of one name, since no option could tell them apart.

    Raises:
        DataError: there are such columns.
    """
    twice = sorted({name for name in schema.names if schema.names.count(name) > 1})
    if twice:
        raise DataError(f"Several columns are called {twice[0]!r}. Give each a name of its own.")


def read_table(
    paths: Sequence[Path], columns: list[str] | None = None, *, rows: int | None = None
) -> pa.Table:
    """Return the first rows of a table in one or several files; all columns by default.

    Raises:
        DataError: a file cannot be read, or unpacks to more than is allowed.
    """
    pieces: list[pa.Table] = []
    left, room = rows, limits.TABLE_BYTES.value
    for path in paths:
        if left == 0:
            break
        with reading(path, "Parquet"):
            piece = _piece(path, columns, left, room)
        room -= piece.nbytes
        left = None if left is None else left - piece.num_rows
        pieces.append(piece)
    with reading(paths[0], "Parquet"):
        return pa.concat_tables(pieces)


def read_portion(file: Path | IOBase, name: str, columns: list[str], *, first: int, rows: int) -> pa.Table:
    """Return some rows of a file that follow one another; only the row groups they lie in are read.

    Args:
        file: where it lies, or it opened.
        name: of the file, to be named.
        columns: that are read.
        first: row.
        rows: how many.

    Raises:
        DataError: the file cannot be read, holds fewer rows, or unpacks to more than is allowed.
    """
    room, batches, left = limits.TABLE_BYTES.value, [], rows
    with reading(name, "Parquet"), pq.ParquetFile(file, buffer_size=BUFFER) as opened:
        groups, skip = _groups(opened.metadata, first, rows)
        size = min(PORTION_ROWS, max(rows, 1))
        for batch in opened.iter_batches(row_groups=groups, columns=columns, batch_size=size):
            _check_room(name, room - batch.nbytes)
            here = batch.slice(skip, left)
            room -= here.nbytes
            skip, left = max(0, skip - len(batch)), left - len(here)
            if len(here):
                batches.append(here)
            if not left:
                break
        schema = opened.schema_arrow
    if left:
        raise DataError(f"{name} holds fewer rows than it said. Give the file as it was written.")
    return pa.Table.from_batches(batches).select(columns).replace_schema_metadata(schema.metadata)


def _groups(told: pq.FileMetaData, first: int, rows: int) -> tuple[list[int], int]:
    """Return the row groups some rows lie in, and how many rows before them the first of these holds."""
    groups: list[int] = []
    skip = start = 0
    for group in range(told.num_row_groups):
        end = start + told.row_group(group).num_rows
        if start < first + rows and end > first:
            skip = skip if groups else first - start
            groups.append(group)
        start = end
    return groups, skip


def check_columns(
    table: pa.Table, path: Path, kinds: Mapping[str, Kind], *, sparse: Collection[str] = ()
) -> None:
    """Check what a table that we wrote ourselves holds, before it is relied on.

    Args:
        table: the table.
        path: its file, to be named.
        kinds: by column, what its type must be.
        sparse: columns that may have empty cells.

    Raises:
        DataError: a column is missing, of another type or not full.
    """
    for name, fits in kinds.items():
        if table.column_names.count(name) != 1:
            raise DataError(f"{path} has no column {name}.")
        column = table.column(name)
        if not fits(column.type) or (column.null_count and name not in sparse):
            raise DataError(
                f"Column {name} of {path} holds {column.type} with {column.null_count} empty cells."
            )


def is_text(kind: pa.DataType) -> bool:
    """Whether values are texts."""
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def is_id(kind: pa.DataType) -> bool:
    """Whether ids may be of this type: whole numbers or texts."""
    return bool(pa.types.is_integer(kind) or is_text(kind))


def _piece(path: Path, columns: list[str] | None, rows: int | None, room: int) -> pa.Table:
    _check_unpacked(path, columns, rows, room)
    batches: list[pa.RecordBatch] = []
    with pq.ParquetFile(path) as file:
        schema = file.schema_arrow
        names = schema.names if columns is None else columns
        for batch in file.iter_batches(columns=columns, batch_size=min(rows or SOME_ROWS, SOME_ROWS)):
            room -= batch.nbytes
            _check_room(path, room)
            batches.append(batch if rows is None else batch.slice(0, rows))
            rows = None if rows is None else rows - len(batches[-1])
            if rows == 0:
                break
    whole = pa.Table.from_batches(batches) if batches else schema.empty_table()
    return whole.select(names)


def _check_unpacked(path: Path, columns: list[str] | None, rows: int | None, room: int) -> None:
    """Add up the lengths of texts and files before any is unpacked: one may be stored once for all rows.

    They are read as places in the list of different ones, which takes no more than lies in the file.
    """
    leaves = list(_leaves(path, columns))
    if not leaves:
        return
    with pq.ParquetFile(path, read_dictionary=leaves, buffer_size=BUFFER) as file:
        seen = 0
        for batch in file.iter_batches(columns=leaves, batch_size=min(rows or MANY_ROWS, MANY_ROWS)):
            room -= sum(_length(array) for array in batch.columns)
            _check_room(path, room)
            seen += len(batch)
            if rows is not None and seen >= rows:
                return


def _leaves(path: Path, columns: list[str] | None) -> Iterator[str]:
    schema = pq.read_metadata(path).schema
    for place in range(len(schema)):
        leaf = schema.column(place)
        is_used = columns is None or leaf.path.partition(".")[0] in columns or leaf.path in columns
        if is_used and leaf.physical_type == "BYTE_ARRAY" and leaf.logical_type.type != "DECIMAL":
            yield leaf.path


def _length(array: pa.Array) -> int:
    """Return the bytes of all texts and files in an array, each as often as it stands there."""
    kind = array.type
    if pa.types.is_dictionary(kind):
        return pc.sum(pc.binary_length(array.dictionary).take(array.indices)).as_py() or 0
    if pa.types.is_struct(kind):
        return sum(_length(each) for each in array.flatten())
    if pa.types.is_map(kind):
        return _length(array.keys) + _length(array.items)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return _length(array.values)
    return 0


def _check_room(path: Path | str, room: int) -> None:
    if room < 0:
        raise DataError(
            f"{path} unpacks to more bytes than the {limits.TABLE_BYTES}. Read a part of it with --rows, or "
            "raise the limit."
        )
