"""A run folder that is not finished yet: it holds the journal, alone or beside the run it is to replace."""

import glob
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from unchaff.errors import RunFolderError
from unchaff.runs.layout import MANIFEST, METRICS, NETWORK, check_format
from unchaff.whole import object_in

if TYPE_CHECKING:
    from unchaff.journal import Journal  # with torch, which a look at a folder needs not

MARKS = (MANIFEST, METRICS)  # what a run folder of ours always holds
JOURNAL = "unfinished"  # subfolder
ASIDE = ".{}.{}.partial"  # the whole run folder, before it is put in place
REPLACE = "Choose another --out, or --overwrite to replace it."
REPLACED = ".old"  # ends the name of what it replaces, for a moment


def is_unfinished(folder: Path) -> bool:
    """Whether a folder holds a journal and nothing else."""
    return folder.is_dir() and [place.name for place in folder.iterdir()] == [JOURNAL]


def is_finished(folder: Path) -> bool:
    """Whether a folder holds a finished run of ours."""
    return all((folder / name).is_file() for name in MARKS)


def is_to_be_replaced(folder: Path) -> bool:
    """Whether a folder holds a finished run, and beside it the journal of one begun with `--overwrite`."""
    folder = folder.expanduser()
    return is_finished(folder) and (folder / JOURNAL).is_dir()


def unfinished(folder: Path, *, overwrite: bool, resume: bool) -> "Journal":
    """Return the journal of a run: begun, or gone on with.

    Raises:
        RunFolderError: the folder holds nothing to resume and is not to be overwritten, or an unfinished
            run and neither `resume` nor `overwrite` was asked for.
    """
    from unchaff.journal import Journal

    folder = folder.expanduser().resolve()
    _tidied(folder)
    journal = Journal(folder / JOURNAL)
    if is_unfinished(folder) or is_to_be_replaced(folder):
        if not (resume or overwrite):
            raise RunFolderError(
                f"{folder} holds an unfinished run. Go on with --resume, begin anew with --overwrite, or "
                "choose another --out."
            )
        if not resume:
            shutil.rmtree(folder / JOURNAL)
    elif resume and not overwrite and folder.is_dir() and any(folder.iterdir()):
        raise RunFolderError(
            f"{folder} holds no unfinished run, so there is nothing to resume. Leave out --resume."
        )
    return journal


def finished(
    folder: Path,
    settings: Mapping[str, object],
    data: Callable[[], Mapping[str, object]],
    *,
    overwrite: bool = False,
) -> Mapping[str, object] | None:
    """Return the metrics of a run that was finished with these settings and data; None where there is none.

    A run that another one was begun to replace counts for none.

    Args:
        folder: of the run.
        settings: the command, and what it was given.
        data: returns the hashes of the data as they are now; asked where all settings are the same.
        overwrite: a run of other settings or data may be replaced, and counts for none.

    Raises:
        RunFolderError: the folder holds a finished run of other settings or data, and is not to be
            overwritten; the first difference is named.
    """
    from unchaff.journal import difference

    folder = folder.expanduser().resolve()
    _tidied(folder)  # it may have been killed when all was in place, and the rest was being deleted
    if not is_finished(folder) or is_to_be_replaced(folder):
        return None
    manifest, metrics = (object_in(folder / name, otherwise=REPLACE) for name in MARKS)
    check_format(manifest, folder / MANIFEST)
    config, hashes = manifest.get("config"), manifest.get("data")
    if not (isinstance(config, dict) and isinstance(hashes, dict) and "noise_rate_estimate" in metrics):
        raise RunFolderError(f"The files of the run in {folder} are not whole. {REPLACE}")
    command = "repair" if (folder / NETWORK).is_file() else "score"
    what, differing = "settings", difference({"command": command, **config}, settings)
    if not differing:
        what, differing = "data", difference(hashes, data())
    if differing and not overwrite:
        raise RunFolderError(f"The finished run in {folder} had other {what}: {differing}. {REPLACE}")
    return None if differing else metrics


def _tidied(folder: Path) -> None:
    """Put back what a run replaced and delete what it wrote aside, if it was killed between the two."""
    pattern = ASIDE.format(glob.escape(folder.name), "[0-9a-f]" * 8)
    for old in folder.parent.glob(pattern + REPLACED):
        if folder.exists():
            shutil.rmtree(old, ignore_errors=True)
        else:
            old.rename(folder)
    for aside in folder.parent.glob(pattern):
        shutil.rmtree(aside, ignore_errors=True)
