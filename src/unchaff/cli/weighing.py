"""What the suites `memory` and `scale` do, and say about it."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from unchaff import progress
from unchaff.bench import memory, scale
from unchaff.bench.lines import known, measured
from unchaff.bench.only import matching
from unchaff.cli import answer, bench, show
from unchaff.cli.measuring import listed
from unchaff.cli.said import say
from unchaff.cli.words import pasted


@dataclass(frozen=True)
class Weighing:
    """A suite of measurements of this machine."""

    todo: Sequence[Any]  # each has a key and a name
    kind: Callable[..., Any]  # of the rows
    by: Callable[[Any], Any]  # measures one


def suite_of(given: bench.Options) -> Weighing:
    """Return what a suite measures."""
    if given.suite == "memory":
        return Weighing(memory.BULKS, memory.Weighed, memory.weighed)
    return Weighing(scale.LOADS, scale.Carried, partial(scale.apart, packs=given.packs))


def perform(given: bench.Options) -> int:
    """Measure what is missing, print every row, and return the exit code."""
    suite = suite_of(given)
    names = ", ".join(each.name for each in suite.todo)
    todo = matching(given.only, suite.todo, known=names, name=lambda each: each.name)
    file = given.folder / bench.RESULTS
    rows = known(file, suite.kind)
    if given.list_rows:
        return listed(given, {each.name: each.key in rows for each in todo})
    with show.stages(quiet=given.quiet):
        for row in measured(todo, file, suite.kind, suite.by):
            progress.say(f"{row.setting}: measured")
    rows = known(file, suite.kind)
    done = [rows[each.key] for each in todo]
    heavy = [row.setting for row in done if isinstance(row, memory.Weighed) and row.peak > row.limit]

    def tell() -> None:
        for row in done:
            say(str(row))
        say(f"Results: {pasted(file)}")

    content = {
        "suite": given.suite,
        "rows": [asdict(row) for row in done],
        "out_of_range": heavy,
        "results": answer.whole(file),
    }
    code = bench.OUT_OF_RANGE if heavy else 0
    answer.give(given, answer.Answer(content=content, tell=tell, path=file, code=code))
    for name in heavy:
        say(f"Out of range: {name} took more memory than its limit.", err=True)
    return code
