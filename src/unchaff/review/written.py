"""Decisions as a table for other tools."""

import io
from pathlib import Path

import pyarrow as pa
from pyarrow import csv

from unchaff.errors import ConfigError
from unchaff.formulas import harmless
from unchaff.review.store import Store
from unchaff.runs.read import RunFolder
from unchaff.whole import parquet, put

SUFFIXES = (".parquet", ".csv")


def table(store: Store, run: RunFolder) -> pa.Table:
    """Return id, decision, label from now on, given label, quality then and time of each decided sample.

    A dropped sample has no label. Ids are texts where not all are whole numbers.
    """
    answers, names = store.decided(), run.class_names
    ids = [answer.id for answer in answers]
    labels = [answer.given if answer.label is None else answer.label for answer in answers]
    is_number = all(isinstance(id_, int) for id_ in ids)
    return pa.table(
        {
            "id": pa.array(ids if is_number else map(str, ids), pa.int64() if is_number else pa.string()),
            "decision": pa.array([answer.kind for answer in answers], pa.string()),
            "label": pa.array(
                [
                    None if answer.kind == "drop" else names[label]
                    for answer, label in zip(answers, labels, strict=True)
                ],
                pa.string(),
            ),
            "given_label": pa.array([names[answer.given] for answer in answers], pa.string()),
            "quality": pa.array([answer.quality for answer in answers], pa.float32()),
            "at": pa.array([answer.at for answer in answers], pa.string()),
        }
    )


def content(decisions: pa.Table, suffix: str) -> bytes:
    """Return a table as a Parquet file, or as CSV in which no text is a formula.

    Raises:
        ConfigError: another kind of file.
    """
    if suffix not in SUFFIXES:
        raise ConfigError(f"Decisions are written as {' or '.join(SUFFIXES)}, got {suffix or 'no ending'}.")
    if suffix == ".parquet":
        return parquet(decisions)
    texts = [field.name for field in decisions.schema if pa.types.is_string(field.type)]
    columns = {name: decisions.column(name) for name in decisions.column_names}
    columns |= {name: harmless(columns[name].to_pylist()).cast(pa.string()) for name in texts}
    buffer = io.BytesIO()
    csv.write_csv(pa.table(columns), buffer)
    return buffer.getvalue()


def write(store: Store, run: RunFolder, file: Path) -> int:
    """Write all decisions, and return how many there are.

    Raises:
        ConfigError: the file is of another kind.
        WriteError: it cannot be written.
    """
    decisions = table(store, run)
    put(file, content(decisions, file.suffix.lower()))
    return int(decisions.num_rows)
