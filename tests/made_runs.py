"""Data and run folders as small as they can be; the folders are written by hand, without a network."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from PIL import Image

HOSTILE = (
    "<img src=x onerror=globalThis.hacked=1>",
    "'\" onmouseover=globalThis.hacked=1 x='",
    "{{7*7}}${7*7} 🦔\n=1+1",
    "\u202eדג cat",
)


def write_run(  # noqa: PLR0913  all that a run may be
    folder: Path,
    *,
    ids: Sequence[int] | Sequence[str],
    labels: Sequence[int],
    suggested: Sequence[int],
    quality: Sequence[float],
    class_names: Sequence[str] = ("cat", "dog"),
    data: str = "",
    kind: str = "image 3x8x8",
) -> Path:
    """Write a run folder; samples of quality above 0.5 are kept."""
    folder.mkdir(parents=True)
    features = {
        name: {"names": list(class_names), "_type": "ClassLabel"} for name in ("label", "suggested_label")
    }
    table = pa.table(
        {
            "id": pa.array(ids),
            "label": pa.array(labels, pa.int64()),
            "predicted": pa.array(suggested, pa.int64()),
            "suggested_label": pa.array(suggested, pa.int64()),
            "quality": pa.array(quality, pa.float32()),
            "kept": pa.array([each > 0.5 for each in quality]),
            "readout": pa.array([2 * each - 1 for each in quality], pa.float32()),
        }
    ).replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    pq.write_table(table, folder / "quality.parquet")
    config = {"data": data, "options": {}, "noise": "none"}
    manifest = {"config": config, "data": {"kind": kind}, "created": "2999-01-01T00:00:00+00:00"}
    for name, content in (("manifest", manifest), ("metrics", {}), ("plan", {"units": []})):
        (folder / f"{name}.json").write_text(json.dumps(content))
    return folder


def write_rows(file: Path, count: int, apart: float = 3.0) -> NDArray[np.int64]:
    """Write rows of six numbers, of three classes that lie so far apart, and return their labels."""
    labels = np.arange(count) % 3
    x = np.random.default_rng(0).normal(size=(count, 6)) + apart * np.eye(3, 6)[labels]
    np.savez(file, x=x.astype(np.float32), y=labels)
    return labels


def write_pictures(folder: Path, class_names: Sequence[str], count: int) -> list[str]:
    """Write class folders with small pictures, and return their ids in order."""
    ids = []
    for place, name in enumerate(class_names):
        (folder / name).mkdir(parents=True)
        for row in range(count):
            pixels = np.full((16, 16, 3), 20 * row % 255, dtype=np.uint8)
            pixels[:, :, place % 3] = 200
            Image.fromarray(pixels).save(folder / name / f"{row:03}.png")
            ids.append(f"{name}/{row:03}.png")
    return sorted(ids)


def run_of_pictures(place: Path, class_names: Sequence[str], count: int = 12) -> Path:
    """Write pictures and a run that suspects the first half of each class to be of the next one."""
    ids = write_pictures(place / "data", class_names, count)
    names = sorted(class_names)
    labels = [names.index(each.rpartition("/")[0]) for each in ids]
    is_suspect = [int(each[-7:-4]) < count // 2 for each in ids]
    draw = np.random.default_rng(0).random(len(ids)) / 2
    return write_run(
        place / "run",
        ids=ids,
        labels=labels,
        suggested=[
            (label + 1) % len(names) if bad else label for label, bad in zip(labels, is_suspect, strict=True)
        ],
        quality=[float(value + 0.5 * (not bad)) for value, bad in zip(draw, is_suspect, strict=True)],
        class_names=names,
        data=str(place / "data"),
    )
