"""Read a run folder back."""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from unchaff.errors import RunFolderError

REQUIRED = ("metrics.json", "plan.json", "manifest.json", "quality.parquet")


@dataclass(frozen=True, kw_only=True)
class RunFolder:
    """What a run folder says; the quality table is read when it is first asked for."""

    path: Path
    metrics: dict[str, Any]
    plan: dict[str, Any]
    manifest: dict[str, Any]

    @cached_property
    def quality(self) -> pa.Table:
        """One row per sample; class names are in the schema metadata.

        Raises:
            RunFolderError: if the file cannot be read.
        """
        file = self.path / "quality.parquet"
        try:
            return pq.read_table(file)
        except (pa.ArrowException, OSError) as error:
            raise RunFolderError(f"{file} cannot be read ({error}). Run the repair again.") from error

    @cached_property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes, by label."""
        features = json.loads(self.quality.schema.metadata[b"huggingface"])["info"]["features"]
        return tuple(features["label"]["names"])

    @cached_property
    def model(self) -> dict[str, Any]:
        """How to rebuild the network.

        Raises:
            RunFolderError: if the run scored only, and holds no network.
        """
        if not (self.path / "model.json").is_file():
            raise RunFolderError(
                f"{self.path} holds no network: it was made by scoring alone. Use a folder that repair made."
            )
        return _read_json(self.path / "model.json")

    @property
    def kind(self) -> str:
        """The kind of the samples, such as image, audio, text or tabular."""
        return str(self.manifest["data"]["kind"]).partition(" ")[0]


def read(folder: Path) -> RunFolder:
    """Return what a run folder says.

    Raises:
        RunFolderError: if it is none, or a file of it is missing or broken.
    """
    folder = folder.expanduser()
    if not folder.is_dir():
        raise RunFolderError(f"There is no run folder {folder}. Give the folder named by --out.")
    missing = [name for name in REQUIRED if not (folder / name).is_file()]
    if missing:
        raise RunFolderError(
            f"{folder} is not a run folder: it lacks {', '.join(missing)}. Give the folder named by --out."
        )
    return RunFolder(
        path=folder,
        metrics=_read_json(folder / "metrics.json"),
        plan=_read_json(folder / "plan.json"),
        manifest=_read_json(folder / "manifest.json"),
    )


def _read_json(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunFolderError(f"{file} is not readable JSON ({error}). Run the repair again.") from error
    if not isinstance(content, dict):
        raise RunFolderError(f"{file} holds {type(content).__name__}, not an object. Run the repair again.")
    return content
