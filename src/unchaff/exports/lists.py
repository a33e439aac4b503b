"""The split as files that data tools read."""

import io
from pathlib import Path

import pyarrow as pa
from pyarrow import csv

from unchaff.data.tables import noisy_table
from unchaff.errors import RunFolderError
from unchaff.formulas import harmless
from unchaff.runs.asked import samples_of
from unchaff.runs.read import RunFolder, judged
from unchaff.whole import parquet, put


def named(run: RunFolder, column: str) -> list[str]:
    """Return a column of labels as the names of the classes."""
    return [run.class_names[label] for label in run.quality.column(column).to_pylist()]


def ids(run: RunFolder, file: Path) -> None:
    """Write the ids of the kept samples, one a line.

    Raises:
        RunFolderError: an id is more than one line.
    """
    table = judged(run)
    kept = table.filter(table.column("kept")).column("id").to_pylist()
    broken = next((one for one in kept if len(str(one).splitlines()) != 1), None)
    if broken is not None:
        raise RunFolderError(f"The id {broken!r} is not one line. Use --format quality.")
    put(file, "".join(f"{one}\n" for one in kept).encode())


def quality(run: RunFolder, file: Path) -> None:
    """Write id, keep and quality of every sample, as Parquet."""
    table = judged(run)
    columns = {"id": table.column("id"), "keep": table.column("kept"), "quality": table.column("quality")}
    put(file, parquet(pa.table(columns)))


def dataset(run: RunFolder, file: Path) -> None:
    """Write the data themselves with columns keep, quality and suggested_label, as Parquet."""
    table = judged(run)
    spec, options, samples = samples_of(run)
    extra = {
        "keep": table.column("kept").to_numpy(zero_copy_only=False),
        "quality": table.column("quality").to_numpy(),
        "suggested_label": table.column("suggested_label").to_numpy(),
    }
    put(file, parquet(noisy_table(spec, options, samples, samples, extra=extra, out=file.parent)))


def cleanlab(run: RunFolder, file: Path) -> None:
    """Write the columns of cleanlab's label issues, and the ids, as CSV; low scores are worse there too."""
    table = judged(run)
    columns = {
        "id": harmless(table.column("id").to_pylist()),
        "is_label_issue": pa.array([not kept for kept in table.column("kept").to_pylist()]),
        "label_score": table.column("quality"),
        "given_label": harmless(named(run, "label")),
        "predicted_label": harmless(named(run, "suggested_label")),
    }
    buffer = io.BytesIO()
    csv.write_csv(pa.table(columns), buffer)
    put(file, buffer.getvalue())
