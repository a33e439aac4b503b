"""Comma- and tab-separated tables of numbers with a label column."""

from pathlib import Path

from pyarrow import csv

from unchaff.data.bounded import check_names, reading
from unchaff.data.columns import detect
from unchaff.data.listing import Listing
from unchaff.data.options import Options
from unchaff.data.parquet import list_table


def list_delimited(path: Path, options: Options) -> Listing:
    """Return the listing of a .csv or .tsv file with a header.

    Raises:
        DataError: it cannot be parsed, or its columns do not fit.
    """
    layout = csv.ParseOptions(delimiter="\t" if path.suffix.lower() == ".tsv" else ",")
    with reading(path, "a table"):
        table = csv.read_csv(path, parse_options=layout)
        check_names(table.schema)
        columns = detect(table.schema, options)
        table = table.select(columns.used).slice(0, options.rows)
        is_id_asked = options.id_column is not None
        return list_table(table, columns, where="a text table", is_id_asked=is_id_asked)
