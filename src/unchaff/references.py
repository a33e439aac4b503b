"""What the methods come from, as BibTeX."""

import re
from functools import cache
from importlib.resources import files


@cache
def entries() -> dict[str, str]:
    """Return each entry by its key, in the order of the file."""
    text = files("unchaff").joinpath("references.bib").read_text(encoding="utf-8")
    whole = re.finditer(r"^@\w+\{([^,]+),\n.*?^\}$", text, flags=re.MULTILINE | re.DOTALL)
    return {match.group(1): match.group() for match in whole}


def cited(method: object) -> tuple[str, ...]:
    """Return the keys of what a method comes from; none where it is a plain control."""
    return tuple(getattr(method, "cites", ()))
