"""The version of what a run folder holds, so that a later one is not misread by an earlier program."""

from collections.abc import Mapping
from pathlib import Path

from unchaff.errors import RunFolderError

FORMAT = 1  # raised when a program of today would misread a folder of tomorrow
NETWORK = "model.json"  # how to build the network of a repair; a run of scoring has none
DATA_PATH = "data_path"  # in the manifest: where the data lay, however they were named


def check_format(content: Mapping[str, object], file: Path) -> None:
    """Look at the version a file of a run folder was written in; one without is of the first.

    Raises:
        RunFolderError: it is newer, or none.
    """
    found = content.get("format", FORMAT)
    if type(found) is not int or found < 1:
        raise RunFolderError(f"{file} holds no whole number above 0 under format. Run the repair again.")
    if found > FORMAT:
        raise RunFolderError(
            f"{file} was written by a newer version of unchaff (format {found}, this one reads up to "
            f"{FORMAT}). Upgrade unchaff, or run the repair again with this version."
        )
