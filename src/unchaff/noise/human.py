"""Labels that people really gave, from another table."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from unchaff.bounded import read_table
from unchaff.errors import DataError, NoiseError
from unchaff.noise.base import relabelled
from unchaff.records import Truth
from unchaff.samples import Samples
from unchaff.streams import Streams


@dataclass(frozen=True)
class Human:
    """The labels of a column take the place of those of the data, which are then the truth.

    Rows are matched by the column `id` where the table has one, else by position: then the ids of the
    data must be row numbers.

    Source: CIFAR-10N, Wei et al., arXiv 2110.12088, for which it was made.
    """

    file: Path
    column: str

    def __call__(self, clean: Samples, *, streams: Streams) -> tuple[Samples, Truth]:
        """Plant.

        Raises:
            NoiseError: no such file or column, no row for a sample, or a label outside the classes.
        """
        table = self._table()
        if self.column not in table.column_names:
            raise NoiseError(
                f"{self.file} has no column {self.column!r}. It has {', '.join(table.column_names)}."
            )
        column = table[self.column]
        if not pa.types.is_integer(column.type) or column.null_count:
            raise NoiseError(f"{self.column} must hold one integer label in each row, it is {column.type}.")
        given = column.to_numpy().astype(np.int64)[self._rows(clean, table)]
        if given.min() < 0 or given.max() >= clean.num_classes:
            raise NoiseError(
                f"{self.column} runs from {given.min()} to {given.max()}, the data have "
                f"{clean.num_classes} classes. Give labels of the same classes."
            )
        return relabelled(clean, given)

    def _table(self) -> pa.Table:
        try:
            return read_table([self.file])
        except (OSError, DataError) as error:
            raise NoiseError(
                f"{self.file} cannot be read as Parquet ({error}). Give human:FILE:COLUMN."
            ) from error

    def _rows(self, clean: Samples, table: pa.Table) -> np.ndarray:
        if "id" in table.column_names:
            keys = np.array(table["id"].to_pylist())
            if keys.dtype.kind != clean.ids.dtype.kind:
                raise NoiseError(
                    f"The ids of {self.file} are {keys.dtype}, those of the data {clean.ids.dtype}."
                )
            order = np.argsort(keys, kind="stable")
            places = np.searchsorted(keys[order], clean.ids).clip(max=len(keys) - 1)
            rows = order[places]
            found = keys[rows] == clean.ids
        else:
            if clean.ids.dtype.kind not in "iu":
                raise NoiseError(f"{self.file} has no id column, and the ids of the data are no row numbers.")
            rows = clean.ids.astype(np.int64)
            found = (rows >= 0) & (rows < table.num_rows)
        if not found.all():
            raise NoiseError(f"{self.file} has no row for {int((~found).sum())} of {len(clean)} samples.")
        return rows
