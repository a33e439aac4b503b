"""The manifest of a run -> the cell that would run it again."""

from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from unchaff.bench.cell import Cell
from unchaff.data.load import is_factory
from unchaff.errors import RunFolderError
from unchaff.nets.build import NETS
from unchaff.runs.asked import options_of
from unchaff.runs.read import AGAIN, RunFolder

CODE = MappingProxyType({"data": "DATA", "test": "--test", "reference": "--reference", "model": "--model"})
PATHS = ("truth", "weights", "initial", "record", "decisions")


def cell_of(run: RunFolder, **instead: Any) -> Cell:  # noqa: ANN401  fields of a cell
    """Return the cell a run folder was made from.

    Args:
        run: the folder.
        instead: fields that the user says anew; None where he does not.

    Raises:
        RunFolderError: it was made otherwise, or from code that nobody named but the folder.
    """
    config = dict(run.manifest["config"])
    if "made" in config:
        raise RunFolderError(
            f"{run.path} was saved from Python. Give decisions={str(run.path)!r} to unchaff.repair."
        )
    unknown = sorted(set(config) - {field.name for field in fields(Cell)})
    if unknown:
        raise RunFolderError(
            f"{run.path} was made with settings that this version does not know ({', '.join(unknown)}). "
            "Install the version that made it."
        )
    named = {name: value for name, value in instead.items() if value is not None}
    augment = named.pop("augment", None)
    _check_no_code(run, {name: said for name, said in config.items() if name not in named})
    options = config.get("options")
    if isinstance(options, dict) and options.get("augment") is not None and augment is None:
        raise RunFolderError(
            f"{run.path} was made with --augment. Give it again: a file names no code that is run."
        )
    try:
        paths = {name: Path(config[name]) for name in PATHS if config.get(name) is not None}
        hub = None if not isinstance(options, dict) or options.get("hub") is None else Path(options["hub"])
        asked = replace(options_of(run), hub=hub, augment=augment)
        return Cell(**{**config, **paths, "options": asked, **named})
    except TypeError as error:
        raise RunFolderError(f"The manifest of {run.path} is not whole ({error}). {AGAIN}") from error


def _check_no_code(run: RunFolder, config: Mapping[str, object]) -> None:
    """Refuse settings of a file that name a function, unless the user said them again."""
    for name, option in CODE.items():
        said = config.get(name)
        if not isinstance(said, str) or not is_factory(said) or (name == "model" and said in NETS):
            continue
        raise RunFolderError(
            f"{run.path} was made with {said}, and no code is run because a file names it. Say {option} "
            f"{said} if you know it."
        )
