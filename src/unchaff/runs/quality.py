"""`quality.parquet`: one row per sample."""

import json
from collections.abc import Mapping

import numpy as np
import pyarrow as pa
from torch import Tensor

from unchaff.errors import RunFolderError
from unchaff.records import Decisions, Partition
from unchaff.runs.record import Run
from unchaff.samples import Ids
from unchaff.whole import parquet

FIXED = ("id", "label", "predicted", "suggested_label", "quality", "kept", "decided")
DTYPES = {"float": "float32", "double": "float64"}  # Arrow's names and Hugging Face's
CLASSES = ("label", "predicted", "suggested_label")


def quality_table(run: Run) -> pa.Table:
    """Return the table; quality and split are null where the method gave none."""
    split = run.outcome.partition
    suggested = run.predicted if split is None or split.suggested is None else split.suggested
    columns = {
        "id": pa.array(run.samples.ids),
        "label": _whole(run.samples.labels),
        "predicted": _whole(run.predicted),
        "suggested_label": _whole(suggested),
        **_judged(run, split),
        **({} if run.decisions is None else {"decided": _decided(run.decisions, run.samples.ids)}),
    }
    return pa.table(columns).replace_schema_metadata(described(columns, run.samples.class_names))


def quality_bytes(run: Run) -> bytes:
    """Return the Parquet file; the same run gives the same bytes."""
    return parquet(quality_table(run))


def _judged(run: Run, split: Partition | None) -> dict[str, pa.Array]:
    n = len(run.samples)
    if split is None:
        return {"quality": pa.nulls(n, pa.float32()), "kept": pa.nulls(n, pa.bool_())}
    if not np.array_equal(split.ids, run.samples.ids):
        raise RunFolderError(
            f"The split is about {len(split.ids)} ids and the data about {n}, or in another order. "
            "A run holds one row for each sample, sorted by id."
        )
    evidence = {
        f"evidence_{name}" if name in FIXED else name: _number(values)
        for name, values in split.evidence.items()
    }
    return {"quality": _number(split.quality), "kept": pa.array(split.kept.cpu().numpy()), **evidence}


def _decided(decisions: Decisions, ids: Ids) -> pa.Array:
    """Return what a person decided about each sample; null where nobody did."""
    here = decisions.about(ids)
    told = np.full(len(ids), None, dtype=object)
    ways = np.where(here.is_relabelled, "relabelled", np.where(here.kept, "kept", "dropped"))
    told[np.searchsorted(ids, here.ids)] = ways
    return pa.array(told, pa.string())


def _whole(values: Tensor) -> pa.Array:
    return pa.array(values.cpu().numpy().astype(np.int64))


def _number(values: Tensor) -> pa.Array:
    return pa.array(values.detach().cpu().numpy().astype(np.float32))


def described(
    columns: Mapping[str, pa.Array | pa.ChunkedArray], class_names: tuple[str, ...]
) -> dict[bytes, bytes]:
    """Return the class names the way the Hugging Face libraries look for them."""
    features = {
        name: {"names": list(class_names), "_type": "ClassLabel"}
        if name in CLASSES
        else {"dtype": DTYPES.get(str(values.type), str(values.type)), "_type": "Value"}
        for name, values in columns.items()
    }
    return {b"huggingface": json.dumps({"info": {"features": features}}).encode()}
