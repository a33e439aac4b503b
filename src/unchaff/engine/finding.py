"""What data there are, found out without reading them into one process."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from unchaff.bounded import check_names, reading
from unchaff.data import Loaded, Options, beside, load
from unchaff.data.assemble import assemble, check_classes
from unchaff.data.columns import Columns, detect
from unchaff.data.labels import names_among, plain
from unchaff.data.listing import UNLABELLED, Listing, check_number_of_classes, numbered
from unchaff.data.parquet import plain_ids
from unchaff.engine import places
from unchaff.engine.rows import Held, Rows, Tables, listed, portion
from unchaff.engine.stage import Engine, reading_only
from unchaff.engine.units import Unit, cut
from unchaff.errors import DataError
from unchaff.features import class_names_of
from unchaff.runs.manifest import hashes, sha256
from unchaff.samples import Samples
from unchaff.streams import Streams

SETTLED_ON = 10_000  # rows at the front, from which size, preparation and the like are found out
MANY = 8  # units in a row group, from which on reading them anew and anew is worth a word
IDS_AT_ONCE = 20_000_000  # whose numbers are compared in one pass, 8 bytes each


@dataclass(frozen=True)
class Found:
    """Rows, and how they are cut."""

    rows: Rows
    units: list[Unit]
    options: Options  # how they are read
    loaded: Loaded  # with some of them or all: what test data are read like
    said: str  # one sentence on what was found
    identity: str = ""  # a hash of what tells these rows from others of the same number

    @property
    def count(self) -> int:
        """How many rows there are, usable or not."""
        return sum(unit.rows for unit in self.units)

    @property
    def example(self) -> Samples:
        """Some of the samples: they stand for the kind, the classes and the preparation of all."""
        return self.loaded.train


def found(spec: str, options: Options, engine: Engine) -> Found:
    """Return the rows of a spec: tables are read by workers, all else is loaded here.

    Raises:
        DataError: nothing readable is there, files differ in their columns, or ids occur twice.
    """
    files = places.tables(spec)
    if not files:
        loaded = load(spec, options)
        held = Held(loaded.train)
        identity = sha256(repr(hashes(loaded.train)).encode())
        return Found(held, held.units(), options, loaded, loaded.found, identity)
    whole = [Unit(place, file, 0, 0, 0) for place, file in enumerate(files)]
    footers = list(engine.run(reading_only("footers", _footer), whole))
    first = footers[0]
    for file, footer in zip(files, footers, strict=True):
        if set(footer.names) != set(first.names):
            raise DataError(f"{file} has other columns than {files[0]}. Give tables of one layout.")
    units = cut([(file, footer.rows) for file, footer in zip(files, footers, strict=True)])
    if options.rows is not None:
        units = _front(units, options.rows)
    if not units:
        raise DataError(f"The tables of {spec} have no rows. Give data with at least two classes.")
    columns = _columns(files[0], options, units, engine)
    options = replace(options, rows=None, lazy=False, workers=0)
    like = _settled(columns, options, units, engine)
    identity = sha256("".join(footer.identity for footer in footers).encode())
    made = Found(Tables(columns, options, like), units, options, like, said="", identity=identity)
    tables = f"in Parquet, files: {len(files)}, read in units: {len(units)}"
    return replace(made, said=f"{made.count:,} rows ({like.train.kind}) {tables}.{_slow(footers, units)}")


@dataclass(frozen=True)
class Footer:
    """What a table says of itself at its end."""

    rows: int
    names: tuple[str, ...]  # of its columns
    most: int  # rows of its largest row group
    identity: str  # a hash of all of it: sizes, places and bounds of every column of every group


def _footer(unit: Unit) -> Footer:
    with places.opened(unit.file) as file, reading(unit.file, "Parquet"):
        told = pq.read_metadata(file)
        groups = [told.row_group(group) for group in range(told.num_row_groups)]
        most = max((group.num_rows for group in groups), default=0)
        said = repr([group.to_dict() for group in groups])
        names = tuple(told.schema.to_arrow_schema().names)
        return Footer(told.num_rows, names, most, sha256(said.encode()))


def _slow(footers: Sequence[Footer], units: Sequence[Unit]) -> str:
    """Return what to do about row groups of many units: each is unpacked from the beginning of its group."""
    most, size = max(footer.most for footer in footers), max(unit.rows for unit in units)
    if most <= MANY * size:
        return ""
    return f" Row groups hold up to {most:,} rows; written with row_group_size={size}, they are read faster."


def _front(units: Sequence[Unit], rows: int) -> list[Unit]:
    """Return the units that hold the first so many rows."""
    inside = [unit for unit in units if unit.start < rows]
    return [replace(unit, rows=min(unit.rows, rows - unit.start)) for unit in inside]


def _columns(file: str, options: Options, units: Sequence[Unit], engine: Engine) -> Columns:
    """Return which column is what; ids that nobody asked for are left where they are not unique."""
    local = places.local(file)
    names = beside.none if local is None else beside.of_parquet(local)
    with places.opened(file) as opened, reading(file, "Parquet"):
        schema = pq.read_schema(opened)
        check_names(schema)
    columns = detect(schema, options, names)
    if columns.is_path and local is None:
        raise DataError(
            f"Column {columns.inputs[0]} names files, which workers do not find from {file}. Put their bytes "
            "into the table."
        )
    is_asked = options.id_column is not None
    if columns.id is None or are_unique(columns.id, units, engine, is_asked=is_asked):
        return columns
    if is_asked:
        raise DataError(
            f"The ids of column {columns.id} are not unique. Name another with --id-column, or leave it out "
            "to number the rows."
        )
    return replace(columns, id=None)


def are_unique(column: str, units: Sequence[Unit], engine: Engine, *, is_asked: bool) -> bool:
    """Whether no id is missing or there twice, by hashes of 64 bits, of which few are held here at once."""
    passes = -(-sum(unit.rows for unit in units) // IDS_AT_ONCE)
    for place in range(passes):
        stage = reading_only("ids", Hashed(column, place, passes, is_asked))
        hashes = np.concatenate(list(engine.run(stage, units)))
        if len(np.unique(hashes)) < len(hashes):
            return False
    return True


@dataclass(frozen=True)
class Hashed:
    """Reads the hashes of the ids of a unit that fall into one of several parts."""

    column: str
    place: int
    parts: int
    is_asked: bool  # the column was named: what is wrong with it is said

    def __call__(self, unit: Unit) -> NDArray[np.uint64]:
        column = portion(unit, [self.column]).column(self.column)
        if column.null_count and not self.is_asked:
            return np.zeros(2, dtype=np.uint64)  # which are not unique
        hashes = Streams(0).seeds("unique", plain_ids(column, self.column))
        return hashes[hashes % np.uint64(self.parts) == self.place]


@dataclass(frozen=True)
class Labels:
    """Reads which labels occur in a unit."""

    column: str

    def __call__(self, unit: Unit) -> list[int] | list[str]:
        column = plain(portion(unit, [self.column]).column(self.column), f"Column {self.column}")
        values = pc.unique(column).drop_null().to_pylist()
        check_number_of_classes(len(values))
        return values


def _settled(columns: Columns, options: Options, units: Sequence[Unit], engine: Engine) -> Loaded:
    """Return the rows at the front, with the classes of all and what was found out of their preparation."""
    front, left = [], SETTLED_ON
    for unit in units:
        if left <= 0 or unit.file != units[0].file:
            break
        front.append(replace(unit, rows=min(unit.rows, left)))
        left -= unit.rows
    first = replace(units[0], rows=sum(unit.rows for unit in front))
    listing = listed(first, columns, found="tables")
    names = class_names_of(portion(replace(first, rows=1), [columns.label]).schema, columns.label)
    stage = reading_only("labels", Labels(columns.label))
    values = {value for some in engine.run(stage, units) for value in some}
    listing = _with_all_names(listing, values, names)
    made = assemble(listing, options, is_part=True)
    return Loaded(train=made.samples, test=None, prepare=made.prepare, skipped=made.skipped, notes=made.notes)


def _with_all_names(listing: Listing, values: set[int | str], carried: tuple[str, ...] | None) -> Listing:
    """Return a listing whose classes are those of all labels that occur, as if they were all in it.

    `carried` are the names that come with the table.
    """
    texts = {value for value in values if isinstance(value, str) and value}  # an empty one is none
    numbers = sorted(value for value in values if isinstance(value, int) and value != UNLABELLED)
    if texts and numbers:
        raise DataError("Labels are names in some of the tables and numbers in others. Write all alike.")
    if not texts and not numbers:
        raise DataError("None of the rows has a label. Give labelled data.")
    names = names_among(texts, carried) if texts else numbered(carried, np.array(numbers))
    places = {name: place for place, name in enumerate(names)}
    present = np.array([places[text] for text in texts] or numbers)
    check_classes(present, names, has_unlabelled=bool(values & {UNLABELLED, ""}))
    here = np.array([places.get(name, UNLABELLED) for name in listing.class_names], dtype=np.int64)
    known = listing.labels != UNLABELLED
    labels = np.where(known, here[np.where(known, listing.labels, 0)], UNLABELLED)
    return replace(listing, labels=labels, class_names=names)
