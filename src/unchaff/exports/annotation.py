"""Suspects as tasks for tools in which people look at samples, the worst first."""

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from unchaff.data.encode import files_of
from unchaff.errors import RunFolderError
from unchaff.exports.lists import named
from unchaff.runs.asked import samples_of
from unchaff.runs.read import RunFolder, judged
from unchaff.whole import put

CONTROL = "label"  # name of the choices in the labelling interface
SAID = ("id", "given_label", "quality")


def label_studio(run: RunFolder, file: Path) -> None:
    """Write a task for each rejected sample, with the suggested label as prediction."""
    data = _data(run)
    tasks = [
        {
            "data": {data.field: data.values[row["row"]], **{name: row[name] for name in SAID}},
            "predictions": [
                {
                    "model_version": "unchaff",
                    "score": 1 - row["quality"],  # high where the given label is doubtful
                    "result": [
                        {
                            "from_name": CONTROL,
                            "to_name": data.field,
                            "type": "choices",
                            "value": {"choices": [row["suggested_label"]]},
                        }
                    ],
                }
            ],
        }
        for row in _rows(run)
        if not row["kept"]
    ]
    put(file, _json(tasks))


def fiftyone(run: RunFolder, file: Path) -> None:
    """Write one object a sample, whose keys are fields of `fiftyone.Sample`.

    Raises:
        RunFolderError: the samples are not files of their own.
    """
    paths = _paths(run)
    if paths is None:
        raise RunFolderError(
            f"The samples of {run.path} are no files, which FiftyOne needs. Repair from a folder of class "
            "folders, or use --format dataset."
        )
    samples = [
        {
            "filepath": paths[row["row"]],
            "ground_truth": row["given_label"],
            "suggested": row["suggested_label"],
            "quality": row["quality"],
            "tags": [] if row["kept"] else ["rejected"],
        }
        for row in _rows(run)
    ]
    put(file, _json(samples))


def _rows(run: RunFolder) -> list[dict[str, Any]]:
    """Return what is known of each sample, lowest quality first."""
    table = judged(run)
    columns = {
        "row": list(range(table.num_rows)),
        "id": table.column("id").to_pylist(),
        "given_label": named(run, "label"),
        "suggested_label": named(run, "suggested_label"),
        "quality": table.column("quality").to_pylist(),
        "kept": table.column("kept").to_pylist(),
    }
    order = np.argsort(columns["quality"], kind="stable")
    return [{name: values[row] for name, values in columns.items()} for row in order.tolist()]


@dataclass(frozen=True)
class _Data:
    """What a person looks at: texts, paths, or files as data URIs."""

    field: str
    values: Sequence[str]


def _data(run: RunFolder) -> _Data:
    paths = _paths(run)
    if paths is not None:
        return _Data(run.kind, paths)
    _, _, samples = samples_of(run)
    if samples.texts is not None:
        return _Data("text", samples.texts.tolist())
    if samples.kind.name not in ("image", "audio"):
        rows = samples.source.raw(np.arange(len(samples))).flatten(1).tolist()
        return _Data("text", [", ".join(f"{value:g}" for value in row) for row in rows])
    uris = [
        f"data:{samples.kind.name}/{suffix};base64,{base64.b64encode(content).decode()}"
        for suffix, content in files_of(samples)
    ]
    return _Data(samples.kind.name, uris)


def _paths(run: RunFolder) -> list[str] | None:
    """Return the files of the samples, where each has one."""
    data = Path(run.spec).expanduser()  # "" of a run that was saved from Python
    if not run.spec or not data.is_dir() or run.quality.schema.field("id").type != "string":
        return None
    folder = data / "train" if (data / "train").is_dir() else data
    files = [(folder / one).resolve() for one in run.quality.column("id").to_pylist()]
    return [str(file) for file in files] if files[0].is_file() else None


def _json(content: object) -> bytes:
    return (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode()
