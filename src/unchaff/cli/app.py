"""The program: its commands, and what each way to end means to the shell."""

import os
import sys
import tempfile
import traceback
from collections.abc import Sequence
from contextlib import nullcontext
from enum import IntEnum
from typing import Annotated

import typer

from unchaff.cli import bench, cite, compare, doctor, export, inject, repair, report, review, score, usage
from unchaff.cli.command import TYPED, takes
from unchaff.cli.installed import version
from unchaff.cli.said import apart, say, say_object, spelled_out, visible_lines
from unchaff.errors import UnchaffError, Unfinished

JSON, HELP = "--json", {"--help", "-h"}


class Exit(IntEnum):
    """What the shell is told."""

    DONE = 0
    WRONG_USE = 1
    FAILED = 2
    GATE = 3
    INTERRUPTED = 130


app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["--help", "-h"]},
)
COMMANDS = {
    "repair": repair,
    "score": score,
    "review": review,
    "inject": inject,
    "report": report,
    "export": export,
    "compare": compare,
    "cite": cite,
    "bench": bench,
    "doctor": doctor,
}
for name, module in COMMANDS.items():
    app.command(name, epilog=f"\b\nExample:\n  {module.EXAMPLE}")(takes(module.Options)(module.command))


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
    spelled_out()
    with apart() if JSON in words and not HELP.intersection(words) else nullcontext():
        return int(_run(words))


def _run(words: list[str]) -> int:
    try:
        code = app(args=words, prog_name="unchaff", standalone_mode=False)
    except (KeyboardInterrupt, typer.Abort):
        code = Exit.INTERRUPTED
    except Unfinished as error:
        return _end(words, Exit.INTERRUPTED, f"Interrupted; {error}")
    except Exception as error:  # noqa: BLE001  the last place where anything can be said about it
        return _explain(words, error)
    if code == Exit.INTERRUPTED:
        return _end(words, Exit.INTERRUPTED, "Interrupted; nothing was written.")
    return int(code or Exit.DONE)


def _end(words: list[str], code: Exit, sentence: str) -> Exit:
    """Say how it ended: on standard error and, where an object was asked for, as one."""
    say(sentence, err=True)
    if JSON in words:
        say_object({"error": sentence.removeprefix("Error: "), "exit_code": int(code)})
    return code


def _explain(words: list[str], error: Exception) -> Exit:
    debug = "--debug" in words
    if debug:
        sys.stderr.write(_traceback(error))
    wrong_use = usage.sentence(error)
    if wrong_use is not None:
        return _end(words, Exit.WRONG_USE, wrong_use)
    if isinstance(error, UnchaffError):
        return _end(words, Exit.WRONG_USE, f"Error: {' '.join(str(error).split())}")
    said = " ".join(str(error).split())[:300]
    _end(words, Exit.FAILED, f"The run failed: {type(error).__name__}: {said}")
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
