"""What `bench memory` does, and says about it."""

import re
from pathlib import Path

from unchaff.bench import memory
from unchaff.cli import bench
from unchaff.cli.said import say
from unchaff.errors import ConfigError

OUT_OF_RANGE = 3
RESULTS = "results.jsonl"


def perform(given: bench.Options) -> int:
    """Measure what is missing, print every row, and return the exit code."""
    try:
        bulks = [bulk for bulk in memory.BULKS if re.search(given.only, bulk.name)]
    except re.error as error:
        raise ConfigError(f"--only {given.only!r} is no regular expression ({error}).") from error
    if not bulks:
        names = ", ".join(bulk.name for bulk in memory.BULKS)
        raise ConfigError(f"--only {given.only!r} leaves no row. Rows are {names}.")
    file = (given.out or Path("bench") / given.suite) / RESULTS
    if given.list_rows:
        rows = memory.known(file)
        for bulk in bulks:
            say(f"{'measured' if bulk.key in rows else 'missing '} {bulk.name}")
        return 0
    for row in memory.run(bulks, file):
        say(f"{row.setting}: measured", err=True)
    rows = memory.known(file)
    for bulk in bulks:
        say(str(rows[bulk.key]))
    say(f"Results: {file}.")
    heavy = [rows[bulk.key] for bulk in bulks if rows[bulk.key].peak > bulk.limit]
    for row in heavy:
        say(f"Out of range: {row.setting} took more memory than its limit.", err=True)
    return OUT_OF_RANGE if heavy else 0
