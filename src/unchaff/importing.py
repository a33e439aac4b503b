"""Modules of the user's, which may lie in the folder where the command was given."""

import importlib
import sys
from pathlib import Path
from types import ModuleType


def imported(name: str) -> ModuleType:
    """Import a module; a command does not look in the current folder by itself, `python` does."""
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)
    return importlib.import_module(name)
