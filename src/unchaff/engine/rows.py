"""Where the rows of units come from: tables that are never whole in one process, or samples that are."""

from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import numpy as np
import pyarrow as pa

from unchaff.bounded import read_portion
from unchaff.data import Loaded, Options, Skipped
from unchaff.data.assemble import assemble
from unchaff.data.columns import Columns
from unchaff.data.listing import UNLABELLED, Listing
from unchaff.data.parquet import file_column, list_table
from unchaff.engine import places
from unchaff.engine.units import Unit, cut
from unchaff.samples import Samples


@dataclass(frozen=True)
class Portion:
    """The usable rows of a unit."""

    unit: Unit
    samples: Samples | None  # None: there is no usable one
    skipped: tuple[Skipped, ...] = ()
    recalled: pa.Table | None = None  # instead of samples: what layers read of them in an earlier pass


@runtime_checkable
class Rows(Protocol):
    """A data set that is read unit by unit, in any process."""

    def few(self) -> "Rows":
        """Return the same for workers, without samples they do not need."""
        ...

    def read(self, unit: Unit) -> Portion:
        """Read and decode."""
        ...


@dataclass(frozen=True)
class Held:
    """Samples that are in memory, or can be read one by one from any process."""

    samples: Samples

    def few(self) -> "Held":
        """Return all of them: workers take theirs."""
        return self

    def read(self, unit: Unit) -> Portion:
        """Take some of them."""
        return Portion(unit, self.samples.at(np.arange(unit.start, unit.start + unit.rows)))

    def units(self) -> list[Unit]:
        """Return all of them, in units."""
        return cut([("", len(self.samples))])


@dataclass(frozen=True)
class Tables:
    """Parquet files with the same columns."""

    columns: Columns
    options: Options
    like: Loaded  # with the rows at the front

    def few(self) -> "Tables":
        """Return the same with two samples, which stand for their kind."""
        two = np.arange(min(2, len(self.like.train)))
        return replace(self, like=replace(self.like, train=self.like.train.at(two)))

    def read(self, unit: Unit) -> Portion:
        """Read and decode the rows of a unit; those without a label or not readable are skipped."""
        listing = listed(unit, self.columns, found="")
        missing = listing.ids[listing.labels == UNLABELLED].tolist()
        if len(missing) == len(listing.ids):
            return Portion(unit, None, tuple(Skipped(each, "no label") for each in missing))
        made = assemble(listing, self.options, like=self.like)
        return Portion(unit, made.samples, made.skipped)


def listed(unit: Unit, columns: Columns, found: str) -> Listing:
    """Return the listing of a unit; rows without a column of ids are numbered among all."""
    table = portion(unit, columns.used)
    files = None
    if columns.is_media:
        files = file_column(table.column(columns.inputs[0]), places.folder_of(unit.file))
    listing = list_table(table, columns, files=files, where=found, is_id_asked=columns.id is not None)
    return listing if columns.id is not None else replace(listing, ids=listing.ids + unit.start)


def portion(unit: Unit, columns: list[str]) -> pa.Table:
    """Return columns of the rows of a unit."""
    with places.opened(unit.file) as file:
        return read_portion(file, unit.file, columns, first=unit.first, rows=unit.rows)
