"""What was asked of a run, as its manifest has kept it."""

from typing import Any

from unchaff.data.options import Options
from unchaff.errors import RunFolderError
from unchaff.runs.read import RunFolder
from unchaff.runs.write import HUB


def options_of(run: RunFolder) -> Options:
    """Return how the data of a run were read.

    Raises:
        RunFolderError: the manifest says it in another way.
    """
    try:
        saved: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in run.manifest["config"]["options"].items()
        }
        if saved.get("hub") is not None:
            saved["hub"] = run.path / HUB  # what the run kept of the model folder
        saved["augment"] = None  # a name, which is not called here: nothing is trained
        return Options(**saved)
    except (TypeError, KeyError, AttributeError) as error:
        raise RunFolderError(
            f"{run.path} says in another way how its data are read ({error}). Run the repair again."
        ) from error
