"""Read a run folder back."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from unchaff.bounded import Kind, check_columns, is_id, read_table
from unchaff.errors import DataError, RunFolderError
from unchaff.features import class_names_of
from unchaff.runs.layout import DATA_PATH, MANIFEST, METRICS, NETWORK, PLAN, QUALITY, REQUIRED, check_format
from unchaff.runs.unfinished import is_unfinished
from unchaff.whole import object_in

AGAIN = "Run the repair again."
ROWS: Mapping[str, Kind] = MappingProxyType(
    {
        "id": is_id,
        "label": pa.types.is_integer,
        "suggested_label": pa.types.is_integer,
        "quality": pa.types.is_floating,
        "kept": pa.types.is_boolean,
    }
)
JUDGED = ("quality", "kept")  # empty where a method judged nothing
REPLAY: Mapping[str, type] = MappingProxyType({"config": dict, "data.kind": str})
BUILD: Mapping[str, type] = MappingProxyType(
    {"model": str, "class_names": list, "input.kind": str, "input.shape": list}
)


@dataclass(frozen=True, kw_only=True)
class RunFolder:
    """What a run folder says; the quality table is read when it is first asked for."""

    path: Path
    metrics: dict[str, Any]
    plan: dict[str, Any]
    manifest: dict[str, Any]
    data: str | None = None  # where the samples lie, if the user says so

    @cached_property
    def quality(self) -> pa.Table:
        """One row per sample; class names are in the schema metadata.

        Raises:
            RunFolderError: if the file cannot be read.
        """
        file = self.path / QUALITY
        try:
            table = read_table([file])
            check_columns(table, file, ROWS, sparse=JUDGED)
            _check_labels(table, file)
        except (DataError, OSError) as error:
            raise RunFolderError(f"{error} {AGAIN}") from error
        return table

    @cached_property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes, by label."""
        return class_names_of(self.quality.schema, "label") or ()

    @cached_property
    def model(self) -> dict[str, Any]:
        """How to rebuild the network.

        Raises:
            RunFolderError: if the run scored only, and holds no network.
        """
        if not (self.path / NETWORK).is_file():
            raise RunFolderError(
                f"{self.path} holds no network: it was made by scoring alone. Use a folder that repair made."
            )
        return _object(self.path / NETWORK, BUILD)

    @property
    def spec(self) -> str:
        """Where the samples lie: as the user says, else where they lay, else as they were named."""
        lay = self.manifest.get(DATA_PATH)
        if self.data is None and isinstance(lay, str) and Path(lay).is_absolute() and Path(lay).exists():
            return lay
        return self.data or str(self.manifest["config"].get("data", ""))

    @property
    def kind(self) -> str:
        """The kind of the samples, such as image, audio, text or tabular."""
        return str(self.manifest["data"]["kind"]).partition(" ")[0]


def read(folder: Path) -> RunFolder:
    """Return what a run folder says.

    Raises:
        RunFolderError: if it is none, not finished or of a newer version, or a file of it is missing or
            broken.
    """
    folder = folder.expanduser()
    if not folder.is_dir():
        what = (
            f"{folder} is a file, not a run folder" if folder.exists() else f"There is no run folder {folder}"
        )
        raise RunFolderError(f"{what}. Give the folder named by --out.")
    if is_unfinished(folder):
        raise RunFolderError(
            f"{folder} holds an unfinished run, and no results yet. Give the command that began it once "
            "more, with --resume."
        )
    missing = [name for name in REQUIRED if not (folder / name).is_file()]
    if missing:
        lacking = ", ".join(missing)
        if len(missing) < len(REQUIRED):
            raise RunFolderError(f"The run in {folder} is not whole: it lacks {lacking}. {AGAIN}")
        raise RunFolderError(f"{folder} is not a run folder: it lacks {lacking}. {_instead(folder)}")
    return RunFolder(
        path=folder,
        metrics=object_in(folder / METRICS, otherwise=AGAIN),
        plan=object_in(folder / PLAN, otherwise=AGAIN),
        manifest=_object(folder / MANIFEST, REPLAY),
    )


def _instead(folder: Path) -> str:
    """Return what to give in place of a folder that is no run: the latest run in it, if there is one."""
    inside = [each.parent for each in folder.glob(f"*/{MANIFEST}")]
    if not inside:
        return "Give the folder named by --out."
    latest = max(inside, key=lambda each: (each / MANIFEST).stat().st_mtime)
    return f"It holds runs: give one of them, such as {latest}."


def judged(run: RunFolder) -> pa.Table:
    """Return the quality table of a run that made a split.

    Raises:
        RunFolderError: its method judged no sample.
    """
    table = run.quality
    if table.column("kept").null_count:
        raise RunFolderError(
            f"{run.path} holds no split: its method judged no sample. Use a run of unlearn or score."
        )
    return table


def _check_labels(table: pa.Table, file: Path) -> None:
    names = class_names_of(table.schema, "label") or ()
    for column in ("label", "suggested_label"):
        ends = pc.min_max(table.column(column)).as_py()
        if table.num_rows and not 0 <= ends["min"] <= ends["max"] < len(names):
            raise DataError(f"Column {column} of {file} holds labels without a class name.")


def _object(file: Path, kinds: Mapping[str, type]) -> dict[str, Any]:
    """Return the object of a JSON file that holds at least these values; a dot leads into an object."""
    content = object_in(file, otherwise=AGAIN)
    check_format(content, file)
    for name, kind in kinds.items():
        value: Any = content
        for key in name.split("."):
            value = value.get(key) if isinstance(value, dict) else None
        if not isinstance(value, kind):
            raise RunFolderError(f"{file} holds no {kind.__name__} under {name}. {AGAIN}")
    return content
