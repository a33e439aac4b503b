"""Arrays and torch data sets -> Samples."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from unchaff.data.arrays import medium_of
from unchaff.data.assemble import Assembled, assemble, check_alike, left_out, places_among
from unchaff.data.labels import labels_of
from unchaff.data.listing import Listing
from unchaff.data.options import Loaded, Options
from unchaff.data.sources import prepare_of
from unchaff.errors import DataError
from unchaff.packing import pack
from unchaff.samples import Samples

Array = NDArray[Any] | Tensor | Sequence[Any]
Data = Samples | Dataset[tuple[Tensor, int]] | Dataset[Mapping[str, Any]] | Dataset[tuple[Any, int]]
LABELS = ("labels", "label")  # keys of a mapping that hold the label


@runtime_checkable
class Sized(Protocol):
    """A data set with a length and items (input, label)."""

    def __len__(self) -> int:
        """Return the number of items."""
        ...

    def __getitem__(self, row: int) -> Any:  # noqa: ANN401 - what a user's data set gives
        """Return one item."""
        ...


def from_arrays(
    x: Array,
    y: Array,
    *,
    ids: Array | None = None,
    class_names: Sequence[str] | None = None,
    groups: Array | None = None,
    options: Options | None = None,
) -> Samples:
    """Return samples made of arrays.

    Args:
        x: (n, columns), images (n, height, width), (n, channels, height, width) or channels last: bytes,
            or floats in [0, 1]; waveforms (n, time) where `options.rate` is given.
        y: one class number or name per row; -1, NaN or no text where there is none (such rows are left out).
        ids: one per row; row numbers by default.
        class_names: the numbers by default.
        groups: speaker or patient of each row.
        options: how to prepare; `mean`, `std`, `rate`, `mirror`, `rows` and `strict` apply.

    Samples that cannot be used, such as those with NaN, are left out with a warning that names them.

    Raises:
        DataError: lengths or types do not fit, or nothing usable is left.

    >>> samples = from_arrays([[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]], [0, 1, 1])
    >>> len(samples), samples.num_classes, str(samples.kind)
    (3, 2, 'tabular 2')
    """
    options = options or Options()
    listing = list_arrays(
        _numpy(x), _named(y), ids=_maybe(ids), class_names=_maybe(class_names), options=options
    )
    if groups is not None:
        if len(groups) != len(x):
            raise DataError(
                f"The lengths differ: {len(x)} inputs, {len(groups)} groups. Give one per sample."
            )
        grouped = _numpy(groups)[: len(listing.ids)]
        listing = Listing(**{**vars(listing), "groups": grouped})
    return _usable(assemble(listing, options))


def from_dataset(
    dataset: Dataset[Any] | Sized,
    *,
    class_names: Sequence[str] | None = None,
    options: Options | None = None,
    like: Samples | None = None,
) -> Samples:
    """Return samples read once from a torch data set; ids are positions.

    Its items are pairs (input, label), or mappings that hold the label under `labels` or `label`. An
    input is a tensor, or several: a mapping, which the network gets by keyword, or a tuple, which it
    gets by place. Sequences that come with an `attention_mask` may differ in length. With `like`, the
    classes, the shape and the preparation are those of other samples: the ones a network was trained on.
    Samples that cannot be used, such as those with NaN, are left out with a warning that names them.

    Raises:
        DataError: it has no length, its items are of other form or of several shapes, or unlike `like`.
    """
    return _usable(read_dataset(dataset, class_names=class_names, options=options, like=like))


def read_dataset(
    dataset: Dataset[Any] | Sized,
    *,
    class_names: Sequence[str] | None = None,
    options: Options | None = None,
    like: Samples | None = None,
) -> Assembled:
    """Return what `from_dataset` does, and what was left out, without a warning."""
    if isinstance(dataset, DataLoader):
        raise DataError("A DataLoader gives batches, and samples are read one by one. Give its .dataset.")
    if not isinstance(dataset, Sized):
        raise DataError(
            f"{type(dataset).__name__} has no length. Give a data set with __len__ and __getitem__."
        )
    pairs = [_pair(dataset[row], row, type(dataset).__name__) for row in range(len(dataset))]
    given = [pair[0] for pair in pairs]
    labels = [
        label.item() if isinstance(label, Tensor) and label.numel() == 1 else label for _, label in pairs
    ]
    options = options or Options()
    names = class_names or getattr(dataset, "classes", None) or (None if like is None else like.class_names)
    if given and isinstance(given[0], Mapping | tuple):
        return _assembled(_packed(given, _named(labels), names, options), options, like)
    inputs = [_numpy(one) for one in given]
    shapes = {one.shape for one in inputs}
    if len(shapes) != 1:
        raise DataError(
            f"The inputs have {len(shapes)} shapes, such as {sorted(shapes)[:2]}. Give all the same shape."
        )
    stacked = np.stack(inputs)
    return _assembled(
        list_arrays(stacked, _named(labels), class_names=_maybe(names), options=options), options, like
    )


def samples_of(data: Data, *, like: Samples | None = None) -> Samples:
    """Return samples, read from a torch data set where they are none yet; with the classes of `like`.

    Raises:
        DataError: the data set cannot be read, is of another kind or shape, or has other classes.
    """
    if not isinstance(data, Samples):
        return from_dataset(data, like=like)
    if like is None:
        return data
    check_alike(data, like)
    if data.class_names == like.class_names:
        return data
    places = places_among(data.class_names, like.class_names)
    labels = torch.from_numpy(places).to(data.device)[data.labels]
    return replace(data.relabel(labels), class_names=like.class_names)


def _assembled(listing: Listing, options: Options, like: Samples | None) -> Assembled:
    known = None if like is None else Loaded(train=like, test=None, prepare=prepare_of(like.source))
    return assemble(listing, options, like=known)


def _usable(made: Assembled) -> Samples:
    for sentence in left_out(made.skipped):
        warnings.warn(sentence, stacklevel=3)
    return made.samples


def _pair(item: Any, row: int, name: str) -> tuple[Any, Any]:  # noqa: ANN401 - what a user's data set gives
    if isinstance(item, Mapping):
        label = next((key for key in LABELS if key in item), None)
        if label is not None:
            return {key: value for key, value in item.items() if key != label}, item[label]
    elif isinstance(item, tuple | list) and len(item) == 2:
        given, label = item
        return (dict(given) if isinstance(given, Mapping) else given), label
    raise DataError(
        f"Item {row} of {name} is neither a pair (input, label) nor a mapping with the key labels or label. "
        "Return one of the two. Two arrays, of inputs and of labels, are read by unchaff.from_arrays."
    )


def _packed(given: list[Any], labels: NDArray[Any], names: Sequence[str] | None, options: Options) -> Listing:
    """Return the listing of samples of several tensors each."""
    rows, layout = pack(given[: options.rows])
    numbers, class_names = labels_of(labels[: options.rows], _maybe(names))
    return Listing(
        medium="packed",
        ids=np.arange(len(numbers)),
        labels=numbers,
        class_names=class_names,
        inputs=rows.numpy(),
        layout=layout,
        found="a data set of several tensors",
    )


def list_arrays(
    x: NDArray[Any],
    y: NDArray[Any],
    *,
    ids: NDArray[Any] | None = None,
    class_names: NDArray[Any] | None = None,
    options: Options,
    found: str = "arrays",
) -> Listing:
    """Return the listing of arrays, cut to `options.rows`.

    Raises:
        DataError: lengths or types do not fit.
    """
    if len(x) == 0:
        raise DataError("The data holds no samples. Give at least two classes with one sample each.")
    medium = medium_of(x, options)
    if len(x) != len(y) or (ids is not None and len(ids) != len(x)):
        counts = f"{len(x)} inputs, {len(y)} labels" + ("" if ids is None else f", {len(ids)} ids")
        raise DataError(f"The lengths differ: {counts}. Give one of each per sample.")
    cut = slice(options.rows)
    labels, names = labels_of(y[cut], class_names)
    return Listing(
        medium=medium,
        ids=_checked_ids(np.arange(len(x)) if ids is None else ids)[cut],
        labels=labels,
        class_names=names,
        inputs=x[cut],
        found=f"{found} (inputs: {medium} {'x'.join(map(str, x.shape[1:]))})",
    )


def _checked_ids(ids: NDArray[Any]) -> NDArray[Any]:
    if ids.ndim != 1:
        raise DataError(f"The ids have shape {ids.shape}. Give one per sample.")
    if np.issubdtype(ids.dtype, np.integer):
        return ids.astype(np.int64)
    if ids.dtype.kind == "U":
        return ids
    raise DataError(f"The ids are of type {ids.dtype}. Give integers or text.")


def _numpy(values: Array) -> NDArray[Any]:
    return values.detach().cpu().numpy() if isinstance(values, torch.Tensor) else np.asarray(values)


def _named(labels: Array) -> NDArray[Any]:
    """Return labels as an array; of a list with names each as it is: numpy would make texts of all."""
    if isinstance(labels, np.ndarray | Tensor) or not any(isinstance(each, str) for each in labels):
        return _numpy(labels)
    return np.array(labels, dtype=object)


def _maybe(values: Array | None) -> NDArray[Any] | None:
    return None if values is None else _numpy(values)
