"""Comma- and tab-separated tables of numbers, texts or paths of files, with a label column."""

import codecs
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from unchaff import progress
from unchaff.bounded import check_names, is_text, reading
from unchaff.data import beside
from unchaff.data.columns import detect
from unchaff.data.listing import Listing
from unchaff.data.options import Options
from unchaff.data.parquet import file_column, list_table
from unchaff.errors import DataError

SEPARATED: Mapping[str, str] = MappingProxyType({".csv": ",", ".tsv": "\t"})
ADVICE = "Separate values by commas in a .csv and by tabs in a .tsv, and quote those that hold one."
PORTION = 2**20  # bytes
NUMBER = r"^\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*$"
COMMA = r"^\s*[+-]?\d+,\d+\s*$"  # a number as it is written where the point is a comma


def list_delimited(path: Path, options: Options) -> Listing:
    """Return the listing of a .csv or .tsv file with a header.

    Raises:
        DataError: it is not UTF-8, cannot be parsed, or its columns do not fit.
    """
    with reading(path, "a table"):
        table = read_delimited(path)
        if options.input_column is None:
            _name_near_numbers(table)
        columns = detect(table.schema, options, beside.of_table(table, path.parent))
        table = table.select(columns.used).slice(0, options.rows)
        files = file_column(table.column(columns.inputs[0]), path.parent) if columns.is_path else None
        is_id_asked = options.id_column is not None
        return list_table(table, columns, files=files, where="a text table", is_id_asked=is_id_asked)


def is_delimited(path: Path) -> bool:
    """Whether it is a file called as one of these."""
    return path.is_file() and path.suffix.lower() in SEPARATED


def read_delimited(path: Path) -> pa.Table:
    """Return all columns of a .csv or .tsv file with a header; blanks around their names do not count.

    Raises:
        DataError: it is not UTF-8, its values are separated otherwise, or two columns have one name.
    """
    _check_encoding(path)
    mark = SEPARATED[path.suffix.lower()]
    try:
        table = csv.read_csv(path, parse_options=csv.ParseOptions(delimiter=mark, newlines_in_values=True))
    except pa.ArrowInvalid as error:
        if "columns, got" not in str(error):
            raise
        told = str(error).splitlines()[0].rstrip(".")
        raise DataError(f"{path} cannot be read as a table: {told}. {ADVICE}") from error
    if table.num_columns == 1:
        raise DataError(f"{path} has one column only, {table.column_names[0]!r}. {ADVICE}")
    table = table.rename_columns([name.strip() for name in table.column_names])
    check_names(table.schema)
    return table


def _name_near_numbers(table: pa.Table) -> None:
    """Say which columns would be numbers but for some of their values."""
    texts = [name for name in table.column_names if is_text(table.schema.field(name).type)]
    near = [f"{name} ({value!r})" for name in texts if (value := _odd_one(table.column(name))) is not None]
    if near:
        progress.say(
            f"Taken for texts, for what stands in brackets is no number: {', '.join(near)}. Write numbers "
            "with a point, and leave the place of a missing one empty."
        )


def _odd_one(column: pa.ChunkedArray) -> str | None:
    """Return the first value that is no number, of a column in which most are or would be with a point."""
    values = column.drop_null()
    plain = pc.match_substring_regex(values, NUMBER)
    meant = pc.or_(plain, pc.match_substring_regex(values, COMMA))
    odd = values.filter(pc.invert(plain))
    return str(odd[0]) if len(odd) and 2 * pc.sum(meant).as_py() > len(values) else None


def _check_encoding(path: Path) -> None:
    """Refuse another encoding than UTF-8, in which texts would be taken for bytes.

    Raises:
        DataError: it is another; which one, no file says.
    """
    decoder = codecs.getincrementaldecoder("utf-8")()
    with path.open("rb") as file:
        try:
            while portion := file.read(PORTION):
                decoder.decode(portion)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError as error:
            byte = error.object[error.start]
            raise DataError(
                f"{path} is not UTF-8: it holds the byte 0x{byte:02x}. Convert it from what it is, such as "
                "latin1: iconv -f latin1 -t utf-8 OLD > NEW."
            ) from error
