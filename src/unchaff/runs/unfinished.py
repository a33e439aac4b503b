"""A run folder that is not finished yet: it holds the journal, and nothing else."""

import shutil
from pathlib import Path

from unchaff.errors import RunFolderError
from unchaff.journal import Journal

JOURNAL = "unfinished"  # subfolder


def is_unfinished(folder: Path) -> bool:
    """Whether a folder holds a journal and nothing else."""
    return folder.is_dir() and [place.name for place in folder.iterdir()] == [JOURNAL]


def unfinished(folder: Path, *, overwrite: bool, resume: bool) -> Journal:
    """Return the journal of a run: begun, or gone on with.

    Raises:
        RunFolderError: the folder holds a finished run to resume, or an unfinished one and neither
            `resume` nor `overwrite` was asked for.
    """
    folder = folder.expanduser().resolve()
    journal = Journal(folder / JOURNAL)
    if is_unfinished(folder):
        if not (resume or overwrite):
            raise RunFolderError(
                f"{folder} holds an unfinished run. Go on with --resume, begin anew with --overwrite, or "
                "choose another --out."
            )
        if not resume:
            shutil.rmtree(folder / JOURNAL)
    elif resume and folder.is_dir() and any(folder.iterdir()):
        raise RunFolderError(
            f"{folder} holds no unfinished run, so there is nothing to resume. Leave out --resume."
        )
    return journal
