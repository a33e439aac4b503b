"""Libraries that only some commands need, imported when they are."""

import importlib
from types import ModuleType

from unchaff.errors import NeedsError


def library(name: str, *, extra: str, without: str) -> ModuleType:
    """Import a library of an extra.

    Args:
        name: of the module, such as `cleanlab.rank`.
        extra: of this package that installs it.
        without: what to do instead of installing it, such as "leave this detector out".

    Raises:
        NeedsError: it is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        top = name.partition(".")[0].replace("_", "-")
        raise NeedsError(
            f"{top} is not installed ({error}). pip install 'unchaff[{extra}]', or {without}."
        ) from error
