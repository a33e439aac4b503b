"""What `bench memory` does, and says about it."""

from dataclasses import asdict

from unchaff import progress
from unchaff.bench import memory
from unchaff.bench.only import matching
from unchaff.cli import answer, bench, show
from unchaff.cli.measuring import listed
from unchaff.cli.said import say
from unchaff.cli.words import pasted


def perform(given: bench.Options) -> int:
    """Measure what is missing, print every row, and return the exit code."""
    names = ", ".join(bulk.name for bulk in memory.BULKS)
    bulks = matching(given.only, memory.BULKS, known=names, name=lambda bulk: bulk.name)
    file = given.folder / bench.RESULTS
    rows = memory.known(file)
    if given.list_rows:
        return listed(given, {bulk.name: bulk.key in rows for bulk in bulks})
    with show.stages(quiet=given.quiet):
        for row in memory.run(bulks, file):
            progress.say(f"{row.setting}: measured")
    rows = memory.known(file)
    measured = [rows[bulk.key] for bulk in bulks]
    heavy = [row.setting for row in measured if row.peak > row.limit]

    def tell() -> None:
        for row in measured:
            say(str(row))
        say(f"Results: {pasted(file)}")

    content = {
        "suite": given.suite,
        "rows": [asdict(row) for row in measured],
        "out_of_range": heavy,
        "results": answer.whole(file),
    }
    code = bench.OUT_OF_RANGE if heavy else 0
    answer.give(given, answer.Answer(content=content, tell=tell, path=file, code=code))
    for name in heavy:
        say(f"Out of range: {name} took more memory than its limit.", err=True)
    return code
