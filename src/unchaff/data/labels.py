"""Labels of a column or an array: whole numbers, or names that become numbers in their order."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from unchaff.bounded import is_text
from unchaff.data.listing import UNLABELLED, check_number_of_classes, numbered
from unchaff.errors import DataError

KINDS = "Labels must be integers from 0, or names"


def check_label_type(kind: pa.DataType, what: str, *, advice: str = "") -> None:
    """Refuse what is not one class per sample.

    Args:
        kind: of the values.
        what: holds them, as the beginning of a sentence: "Column y".
        advice: what else to do than to change it.

    Raises:
        DataError: several labels per sample, or something else.
    """
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        raise DataError(f"{what} holds several labels per sample. Multi-label data is not supported.")
    if not (is_number(kind) or is_text(kind)):
        raise DataError(f"{what} is of type {kind}. {KINDS}.{advice}")


def is_number(kind: pa.DataType) -> bool:
    """Whether values are numbers, truth values among them."""
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind))


def plain(column: pa.ChunkedArray, what: str) -> pa.ChunkedArray:
    """Return labels as whole numbers or as texts: categories are what they stand for, false and true 0 and 1.

    Raises:
        DataError: they are fractions, or numbers too large.
    """
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_floating(column.type):
        column = column.cast(pa.float64())
        column = pc.if_else(pc.is_nan(column), None, column)  # as a missing whole number is written
        whole = pc.and_(pc.is_finite(column), pc.equal(column, pc.round(column)))
        if pc.any(pc.invert(whole)).as_py():
            raise DataError(f"{what} holds fractions. Regression is not supported. {KINDS}.")
    try:
        return column if is_text(column.type) else column.cast(pa.int64())
    except pa.ArrowException as error:
        raise DataError(f"{what} holds {error}. {KINDS}.") from error


def labels_in(
    column: pa.ChunkedArray, names: tuple[str, ...] | None, what: str
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Return labels, and the names of the classes; `UNLABELLED` where a value is missing or an empty text.

    Texts that are not all among the names are names of their own.

    Args:
        column: the values.
        names: of the classes, in the order of their numbers; None: not known.
        what: holds the values, as the beginning of a sentence: "Column y".

    Raises:
        DataError: they are no labels.
    """
    check_label_type(column.type, what)
    column = plain(column, what)
    if not is_text(column.type):
        labels = column.fill_null(UNLABELLED).to_numpy()
        return labels, numbered(names, labels)
    values = column.to_pylist()
    names = names_among({value for value in values if value}, names)
    places = {name: place for place, name in enumerate(names)} | {None: UNLABELLED, "": UNLABELLED}
    return np.array([places[value] for value in values], dtype=np.int64), names


def names_among(texts: set[str], names: tuple[str, ...] | None) -> tuple[str, ...]:
    """Return the classes of texts that are labels: these names if all are among them, else the texts.

    Raises:
        DataError: there are more than a network could tell apart.
    """
    names = names if names and texts <= set(names) else tuple(sorted(texts))
    check_number_of_classes(len(names))
    return names


def labels_of(
    values: NDArray[Any], names: NDArray[Any] | None = None
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Return the labels of an array, one a sample, and the names of the classes.

    An array of one column is taken for its column.

    Raises:
        DataError: they are something else, or texts that are not among the names; a name comes twice.
    """
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 1:
        raise DataError(
            f"The labels have shape {values.shape}: several per sample. Multi-label data is not supported."
        )
    given = None if names is None else tuple(map(str, names))
    if given is not None and len(set(given)) < len(given):
        twice = next(name for name in given if given.count(name) > 1)
        raise DataError(f"The class name {twice!r} is given twice. Give each class a name of its own.")
    try:
        native = values.astype(values.dtype.newbyteorder("="), copy=False)
        column = pa.chunked_array([pa.array(native, from_pandas=True)])
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        raise DataError(f"The labels are of type {values.dtype}. {KINDS} ({UNLABELLED}: none).") from error
    labels, classes = labels_in(column, given, "The array of labels")
    if given and classes != given:
        unknown = next(name for name in classes if name not in given)
        raise DataError(
            f"The array of labels holds {unknown!r}, which is none of the {len(given)} class names given."
        )
    return labels, classes
