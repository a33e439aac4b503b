"""The program: its commands, and what each way to end means to the shell."""

import os
import sys
import tempfile
import traceback
from collections.abc import Sequence
from enum import IntEnum
from typing import Annotated

import typer

from unchaff.cli import bench, doctor, export, inject, repair, score
from unchaff.cli.command import TYPED, takes
from unchaff.cli.installed import version
from unchaff.cli.said import say, visible_lines
from unchaff.errors import UnchaffError, Unfinished


class Exit(IntEnum):
    """What the shell is told."""

    DONE = 0
    WRONG_USE = 1
    FAILED = 2
    GATE = 3
    INTERRUPTED = 130


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
COMMANDS = {
    "repair": repair,
    "score": score,
    "inject": inject,
    "export": export,
    "bench": bench,
    "doctor": doctor,
}
for name, module in COMMANDS.items():
    app.command(name)(takes(module.Options)(module.command))


def _print_version(wanted: bool) -> bool:
    if wanted:
        say(f"unchaff {version('unchaff')}")
        raise typer.Exit
    return wanted


@app.callback()
def program(
    show_version: Annotated[
        bool,
        typer.Option("--version", help="Print the version and stop.", callback=_print_version, is_eager=True),
    ] = False,
) -> None:
    """Take the chaff out of a data set, and out of the network that was trained on it.

    Exit codes: 0 done; 1 wrong input or usage; 2 the run failed; 3 a gate was not met; 130 interrupted.
    """


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code; an error is one sentence on standard error."""
    # Before torch is loaded: threads that wait by spinning make small networks many times slower
    # on a machine that has other work to do.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    words = list(sys.argv[1:] if arguments is None else arguments) or ["--help"]
    TYPED.set(tuple(words))
    try:
        code = app(args=words, prog_name="unchaff", standalone_mode=False)
    except (KeyboardInterrupt, typer.Abort):
        code = Exit.INTERRUPTED
    except Unfinished as error:
        say(f"Interrupted; {error}", err=True)
        return int(Exit.INTERRUPTED)
    except Exception as error:  # noqa: BLE001  the last place where anything can be said about it
        return _explain(error, debug="--debug" in words)
    if code == Exit.INTERRUPTED:
        say("Interrupted; nothing was written.", err=True)
    return int(code or Exit.DONE)


def _explain(error: Exception, *, debug: bool) -> Exit:
    if debug:
        sys.stderr.write(_traceback(error))
    usage = getattr(error, "format_message", None)  # of the option parser, whose own code would be 2
    if usage is not None:
        context = getattr(error, "ctx", None)
        command = context.command_path if context else "unchaff"
        say(f"{usage().rstrip('.')}. See {command} --help.", err=True)
        return Exit.WRONG_USE
    if isinstance(error, UnchaffError):
        say(f"Error: {' '.join(str(error).split())}", err=True)
        return Exit.WRONG_USE
    said = " ".join(str(error).split())[:300]
    say(f"The run failed: {type(error).__name__}: {said}", err=True)
    if not debug:
        say(f"{_keep_traceback(error)}--debug prints it.", err=True)
    return Exit.FAILED


def _keep_traceback(error: Exception) -> str:
    """Write the traceback to a file and say where it is; nothing where there is no room for it."""
    try:
        with tempfile.NamedTemporaryFile("w", prefix="unchaff-", suffix=".log", delete=False) as file:
            file.write(_traceback(error))
    except OSError:
        return "There was no room to keep the traceback; "
    return f"The traceback is in {file.name}; "


def _traceback(error: Exception) -> str:
    return visible_lines("".join(traceback.format_exception(error))) + "\n"
