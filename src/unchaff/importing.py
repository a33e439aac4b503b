"""Modules of the user's, which may lie in the folder where the command was given."""

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from unchaff.errors import UnchaffError


def function_of(spec: str, refusal: type[UnchaffError]) -> Callable[..., Any]:
    """Return the function of the user's that `pkg.module:function` names.

    Raises:
        UnchaffError: of the type `refusal`: the module is not there or fails, or has no such function.
    """
    module_name, _, name = spec.partition(":")
    if not (module_name and name):
        raise refusal(f"{spec} names no function. Write pkg.module:function.")
    try:
        module = _imported(module_name)
    except UnchaffError:
        raise
    except ImportError as error:
        raise refusal(f"{spec} cannot be imported: {error}. Check the name and the installation.") from error
    except (Exception, SystemExit) as error:  # whatever the owner's code raises
        raise refusal(f"{module_name} raised {type(error).__name__}: {error}. Correct it.") from error
    function = getattr(module, name, None)
    if not callable(function):
        raise refusal(f"{spec}: {module_name} has no function {name}. Write pkg.module:function.")
    return function


def _imported(name: str) -> ModuleType:
    """Import a module; a command does not look in the current folder by itself, `python` does."""
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)
    return importlib.import_module(name)
