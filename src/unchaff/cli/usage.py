"""What to say about a command line that the parser of options refuses."""

import re
from collections.abc import Iterable
from difflib import get_close_matches

NO_COMMAND = re.compile(r"No such command '(.*?)'")
NOISE = "Value error, "  # goes before what a type of option says


def sentence(error: Exception) -> str | None:
    """Return what is wrong, what was meant perhaps, and where to look; None if it is no error of usage."""
    wording = getattr(error, "format_message", None)
    if wording is None:
        return None
    said = " ".join(wording().replace(NOISE, "").split()).rstrip(".")
    context = getattr(error, "ctx", None)
    if context is None:
        return f"{said}. See unchaff --help."
    if hasattr(error, "possibilities"):  # of an option that there is not
        known = [name for each in context.command.params for name in (*each.opts, *each.secondary_opts)]
        option = str(getattr(error, "option_name", ""))
        said = f"No such option: {option}{_nearest(option, known)}"
    elif found := NO_COMMAND.match(said):
        said = f"No such command '{found[1]}'{_nearest(found[1], context.command.commands)}"
    return f"{said}{'' if said.endswith('?') else '.'} See {context.command_path} --help."


def _nearest(typed: str, known: Iterable[str]) -> str:
    best = get_close_matches(typed, list(known), n=1, cutoff=0.5)
    return f". Did you mean {best[0]}?" if best else ""
