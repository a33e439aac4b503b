"""What `cite` prints."""

from unchaff.cli import answer, cite
from unchaff.cli.said import say
from unchaff.errors import ConfigError
from unchaff.methods import METHODS
from unchaff.references import cited, entries


def perform(given: cite.Options) -> int:
    """Print the entries, and say of which methods there are none."""
    unknown = [name for name in given.methods if name not in METHODS]
    if unknown:
        raise ConfigError(f"There is no method {unknown[0]!r}. Allowed: {', '.join(METHODS)}.")
    keys = {name: cited(METHODS[name]) for name in given.methods}
    found = {key: entries()[key] for each in keys.values() for key in each}

    def tell() -> None:
        for line in "\n\n".join(found.values()).splitlines():
            say(line)

    for name in [name for name, each in keys.items() if not each]:
        say(f"{name} is a plain control: it has no source of its own.", err=True)
    content = {"methods": {name: list(each) for name, each in keys.items()}, "entries": found}
    return answer.give(given, answer.Answer(content=content, tell=tell if found else lambda: None))
