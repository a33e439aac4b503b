"""Noisy data as Parquet, the truth in a file of its own, and the way back."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from unchaff.bounded import Kind, check_columns, is_id, read_table
from unchaff.data.load import load
from unchaff.data.options import Loaded, Options
from unchaff.data.parquet import split_files
from unchaff.data.tables import noisy_table
from unchaff.errors import DataError
from unchaff.records import Truth
from unchaff.samples import Samples
from unchaff.streams import Streams

TRUTH: Mapping[str, Kind] = MappingProxyType(
    {"id": is_id, "true_label": pa.types.is_integer, "is_noisy": pa.types.is_boolean}
)
Planted = Callable[..., tuple[Samples, Truth]]


@dataclass(frozen=True, kw_only=True)
class Injected:
    """What was written."""

    loaded: Loaded
    noisy: Samples
    truth: Truth
    data_file: Path
    truth_file: Path


def inject(
    spec: str,
    noise: Planted,
    out: Path,
    *,
    streams: Streams,
    options: Options | None = None,
    overwrite: bool = False,
) -> Injected:
    """Write the training part with noise planted, and `truth.parquet` beside it.

    The noisy file gives the same ids as the data it was made from; noise that is drawn anew at every
    access is frozen there as one draw. The folder of the files is made.

    Raises:
        DataError: the data cannot be read, or the files exist or cannot be written.
    """
    truth_file = out.with_name("truth.parquet")
    check_target(out, truth_file, overwrite=overwrite)
    _check_apart((out, truth_file), Path(spec).expanduser())
    loaded = load(spec, options or Options())
    noisy, truth = noise(loaded.train, streams=streams)
    data = noisy_table(spec, options or Options(), loaded.train, noisy, out=out.parent)
    write_whole({truth_file: truth_table(truth), out: data})
    return Injected(loaded=loaded, noisy=noisy, truth=truth, data_file=out, truth_file=truth_file)


def check_target(out: Path, truth_file: Path, *, overwrite: bool) -> None:
    """Refuse a target that exists, is the wrong kind, or cannot be written, before any work."""
    if out.suffix != ".parquet" or out.name == truth_file.name:
        raise DataError(f"--out must be a .parquet file other than truth.parquet, got {out}.")
    for file in (out, truth_file):
        if file.exists() and not overwrite:
            raise DataError(f"{file} exists. Choose another --out, or give --overwrite to replace it.")
    there = next(folder for folder in out.absolute().parents if folder.exists())
    if not there.is_dir():
        raise DataError(f"Nothing can be written into {there}, which is a file. Choose another --out.")
    if not os.access(there, os.W_OK):
        raise DataError(f"No permission to write into {there}. Choose another --out.")


def _check_apart(files: tuple[Path, ...], data: Path) -> None:
    """Refuse to write over the data that are read, or over the test part of them."""
    own = {each.resolve() for each in (data, *split_files(data, "train"), *split_files(data, "test"))}
    for file in files:
        if file.resolve() in own:
            raise DataError(f"{file} is of the data that noise is to be planted in. Choose another --out.")


def truth_table(truth: Truth) -> pa.Table:
    """Return id, true_label and is_noisy."""
    return pa.table(
        {"id": truth.ids, "true_label": truth.true_label.numpy(), "is_noisy": truth.is_noisy.numpy()}
    )


def read_truth(file: Path) -> Truth:
    """Read what `inject` wrote.

    Raises:
        DataError: no such file, or other columns.
    """
    try:
        table = read_table([file])
        check_columns(table, file, TRUTH)
    except (OSError, DataError) as error:
        raise DataError(
            f"{file} is no truth file ({error}). Give the truth.parquet that inject wrote."
        ) from error
    ids = np.asarray(table["id"].to_pylist())
    order = np.argsort(ids, kind="stable")
    return Truth(
        ids=ids[order],
        true_label=torch.from_numpy(table["true_label"].to_numpy().astype(np.int64)[order]),
        is_noisy=torch.from_numpy(table["is_noisy"].to_numpy().astype(bool)[order]),
    )


def truth_about(train: Samples, file: Path) -> Truth:
    """Read what `inject` wrote about these samples.

    Raises:
        DataError: no such file, other columns, or it is about others.
    """
    truth = read_truth(file)
    missing = set(train.ids.tolist()) - set(truth.ids.tolist())
    if missing:
        raise DataError(
            f"The truth file lacks {len(missing)} of {len(train)} ids. Give the one written with these data."
        )
    truth = truth.select(train.ids)
    differs = int((~truth.is_noisy & (truth.true_label != train.labels.cpu())).sum())
    highest = int(truth.true_label.max())
    if differs or highest >= train.num_classes:
        raise DataError(
            f"{file} is about other data: {differs} samples that it calls sound have another label here, and "
            f"its labels run to {highest}. Give the one written with these data."
        )
    return truth


def write_whole(tables: Mapping[Path, pa.Table]) -> None:
    """Write all aside, then rename: the files are whole, and all there or none."""
    aside = {file: file.with_name(f".{file.name}.{os.getpid()}.part") for file in tables}
    try:
        for file, table in tables.items():
            file.parent.mkdir(parents=True, exist_ok=True)
            pq.write_table(table, aside[file])
        for file, whole in aside.items():
            whole.replace(file)
    except OSError as error:
        names = " and ".join(str(file) for file in tables)
        raise DataError(f"{names} could not be written ({error}). Nothing was left there.") from error
    finally:
        for file in aside.values():
            file.unlink(missing_ok=True)
