"""The repaired network as a Hugging Face model folder, as `save_pretrained` writes one."""

import shutil
import uuid
from pathlib import Path
from typing import Any

from unchaff.api import load
from unchaff.errors import RunFolderError
from unchaff.hub import CONFIG, loading
from unchaff.runs.layout import HUB
from unchaff.runs.read import RunFolder
from unchaff.runs.rebuilt import is_rearranged


def model_folder(run: RunFolder, folder: Path) -> None:
    """Write the network with its weights, names of classes, tokenizer and processor; whole or not at all.

    Raises:
        RunFolderError: the network is none of the transformers library, or the place is taken by something
            else than a model folder.
    """
    if "hub" not in run.model:
        raise RunFolderError(
            f"{run.path} holds the network {run.model['model']!r}, which is none of the transformers "
            "library. Use --format torch or onnx."
        )
    if is_rearranged(run):
        raise RunFolderError(
            f"{run.path} holds a network with parts that its own has not ({run.model['modifications'][0]}), "
            "which the transformers library cannot build. Use unchaff.load(run), or another method."
        )
    if folder.exists() and not (folder / CONFIG).is_file():
        raise RunFolderError(f"{folder} holds something else than a model, and is not deleted.")
    aside = folder.with_name(f".{folder.name}.{uuid.uuid4().hex[:8]}.part")
    try:
        _fill(aside, run)
        _put_in_place(aside, folder)
    except OSError as error:
        raise RunFolderError(f"{folder} could not be written ({error}). Nothing was left there.") from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _fill(folder: Path, run: RunFolder) -> None:
    model: Any = load(run.path)
    names = dict(enumerate(run.model["class_names"]))
    model.config.id2label, model.config.label2id = names, {name: place for place, name in names.items()}
    folder.mkdir(parents=True)
    with loading(folder, "the network"):
        model.save_pretrained(folder)
    for file in (run.path / HUB).iterdir():
        if file.name != CONFIG:
            shutil.copyfile(file, folder / file.name)


def _put_in_place(aside: Path, folder: Path) -> None:
    """Rename; an earlier folder is moved off first, put back if that fails, and deleted last."""
    old = aside.with_suffix(".old")
    if folder.exists():
        folder.rename(old)
    try:
        aside.rename(folder)
    finally:
        if old.exists() and not folder.exists():
            old.rename(folder)
        shutil.rmtree(old, ignore_errors=True)
