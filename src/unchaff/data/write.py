"""Noisy data as Parquet, the truth in a file of its own, and the way back."""

import io
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import soundfile
import torch
from PIL import Image
from torch import Tensor

from unchaff.data.load import load
from unchaff.data.options import Loaded, Options
from unchaff.data.parquet import split_files
from unchaff.errors import DataError
from unchaff.records import Truth
from unchaff.samples import Samples
from unchaff.streams import Streams

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

    Ids are written as a column, so that the noisy file gives the same ids as the data it was made from.

    Raises:
        DataError: the data cannot be read, or the files exist or cannot be written.
    """
    truth_file = out.with_name("truth.parquet")
    check_target(out, truth_file, overwrite=overwrite)
    loaded = load(spec, options or Options())
    noisy, truth = noise(loaded.train, streams=streams)
    inputs_changed = noisy.source is not loaded.train.source
    table = _original(spec, options or Options(), noisy) if not inputs_changed else None
    write_whole(table if table is not None else encoded(noisy), out)
    write_truth(truth, truth_file)
    return Injected(loaded=loaded, noisy=noisy, truth=truth, data_file=out, truth_file=truth_file)


def check_target(out: Path, truth_file: Path, *, overwrite: bool) -> None:
    """Refuse a target that exists, is the wrong kind, or cannot be written, before any work."""
    if out.suffix != ".parquet" or out.name == truth_file.name:
        raise DataError(f"--out must be a .parquet file other than truth.parquet, got {out}.")
    for file in (out, truth_file):
        if file.exists() and not overwrite:
            raise DataError(f"{file} exists. Choose another --out, or give --overwrite to replace it.")
    if not out.parent.is_dir():
        raise DataError(f"The folder {out.parent} does not exist. Make it, or choose another --out.")
    if not os.access(out.parent, os.W_OK):
        raise DataError(f"No permission to write into {out.parent}. Choose another --out.")


def write_truth(truth: Truth, file: Path) -> None:
    """Write id, true_label and is_noisy."""
    columns = {"id": truth.ids, "true_label": truth.true_label.numpy(), "is_noisy": truth.is_noisy.numpy()}
    write_whole(pa.table(columns), file)


def read_truth(file: Path) -> Truth:
    """Read what `write_truth` wrote.

    Raises:
        DataError: no such file, or other columns.
    """
    try:
        table = pq.read_table(file, columns=["id", "true_label", "is_noisy"])
    except (OSError, pa.ArrowException) as error:
        raise DataError(
            f"{file} is no truth file ({str(error).splitlines()[0]}). "
            "Give the truth.parquet that inject wrote."
        ) from error
    ids = np.asarray(table["id"].to_pylist())
    order = np.argsort(ids, kind="stable")
    return Truth(
        ids=ids[order],
        true_label=torch.from_numpy(table["true_label"].to_numpy().astype(np.int64)[order]),
        is_noisy=torch.from_numpy(table["is_noisy"].to_numpy().astype(bool)[order]),
    )


def write_whole(table: pa.Table, file: Path) -> None:
    """Write aside, then rename: the file is whole or not there."""
    aside = file.with_name(f".{file.name}.{os.getpid()}.part")
    try:
        pq.write_table(table, aside)
        aside.replace(file)
    except OSError as error:
        raise DataError(f"{file} could not be written ({error}). Nothing was left there.") from error
    finally:
        aside.unlink(missing_ok=True)


def _original(spec: str, options: Options, noisy: Samples) -> pa.Table | None:
    """Return the table the samples came from with new labels; None where it was no Parquet table."""
    path = Path(spec).expanduser()
    files = [path] if path.suffix == ".parquet" else split_files(path, "train") if path.is_dir() else []
    if not files:
        return None
    table = pa.concat_tables([pq.read_table(file) for file in files])
    label = options.label_column or "label"
    row_numbers = noisy.ids.dtype.kind in "iu" and int(noisy.ids.max()) < table.num_rows
    if label not in table.column_names or options.id_column or "id" in table.column_names or not row_numbers:
        return None
    given = noisy.labels.cpu().numpy()
    kept = table.take(pa.array(noisy.ids.astype(np.int64)))
    place = kept.column_names.index(label)
    kept = kept.set_column(
        place, kept.schema.field(place), pa.array(given).cast(kept.schema.field(place).type)
    )
    if len(noisy) < table.num_rows:
        kept = kept.append_column("id", pa.array(noisy.ids))
    return kept.replace_schema_metadata(_described(kept, label, noisy, table.schema.metadata or {}))


def encoded(samples: Samples) -> pa.Table:
    """Return a table of the samples: PNG images, FLAC sound or columns of numbers, with ids."""
    columns: dict[str, pa.Array] = {"id": pa.array(samples.ids)}
    if samples.kind.name == "tabular":
        values = samples.source.raw(np.arange(len(samples))).numpy()
        columns |= {f"x{place}": pa.array(values[:, place]) for place in range(values.shape[1])}
    else:
        suffix, file = (".png", _png) if samples.kind.name == "image" else (".flac", _flac)
        cells = [
            {
                "bytes": file(samples.source.raw(np.array([row]))[0], samples.kind.rate),
                "path": f"{row}{suffix}",
            }
            for row in range(len(samples))
        ]
        kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
        columns[samples.kind.name] = pa.array(cells, type=kind)
    columns["label"] = pa.array(samples.labels.cpu().numpy())
    table = pa.table(columns)
    return table.replace_schema_metadata(_described(table, "label", samples, {}))


def _png(image: Tensor, _rate: int | None) -> bytes:
    if image.dtype != torch.uint8:
        image = (image.clamp(0, 1) * 255).round().to(torch.uint8)
    pixels = image.permute(1, 2, 0).numpy()
    buffer = io.BytesIO()
    Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels).save(buffer, "PNG")
    return buffer.getvalue()


def _flac(wave: Tensor, rate: int | None) -> bytes:
    peak = float(wave.abs().max())
    buffer = io.BytesIO()
    soundfile.write(buffer, (wave / max(1.0, peak)).numpy(), rate or 16_000, format="FLAC", subtype="PCM_24")
    return buffer.getvalue()


def _described(table: pa.Table, label: str, samples: Samples, old: dict[bytes, bytes]) -> dict[bytes, bytes]:
    """Return schema metadata that name the classes and the kind of the input, as the hub libraries do."""
    features = json.loads(old.get(b"huggingface", b"{}")).get("info", {}).get("features", {})
    for name in table.column_names:
        features.setdefault(name, {"_type": "Value", "dtype": str(table.schema.field(name).type)})
    features[label] = {"_type": "ClassLabel", "names": list(samples.class_names)}
    if samples.kind.name in ("image", "audio") and samples.kind.name in table.column_names:
        features[samples.kind.name] = {"_type": samples.kind.name.capitalize()}
    return {**old, b"huggingface": json.dumps({"info": {"features": features}}).encode()}
