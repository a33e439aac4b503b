"""What `compare` does, and says about it."""

from dataclasses import asdict, replace
from datetime import datetime
from pathlib import Path

from unchaff import progress
from unchaff.bench import suite
from unchaff.bench.comparison import Compared, Entrant, compared, entrants
from unchaff.bench.comparison_page import ESTIMATED, table, view
from unchaff.bench.contenders import ORACLE
from unchaff.bench.rows import Results, Row
from unchaff.bench.settings import Place
from unchaff.cli import answer, compare, options, show
from unchaff.cli.bench import RESULTS
from unchaff.cli.job import experiment_of
from unchaff.cli.measuring import PAGE, said, tell_tables
from unchaff.cli.said import say
from unchaff.cli.words import pasted
from unchaff.errors import ConfigError, Unfinished
from unchaff.methods import METHODS
from unchaff.references import cited
from unchaff.report.page import render
from unchaff.whole import parquet, put

ALL, TABLE = "all", "results.parquet"


def perform(given: compare.Options) -> int:
    """Run what is missing, write table and page, print the tables, and return the exit code."""
    chosen = entrants(_methods(given.methods), None if given.own_only else given.budget)
    folder = given.out or Path("comparisons") / datetime.now().astimezone().strftime("%Y-%m-%d-%H%M%S")
    cell = replace(experiment_of(given, given.data), controls="none")
    ground = compared(cell, options.seeds(given.seeds), chosen, folder)
    results = Results(folder / RESULTS)
    todo = suite.planned([ground])
    try:
        _measure(given, todo, results, folder)
    except KeyboardInterrupt:
        again = f"to go on, give the same command with --out {pasted(folder)}."
        raise Unfinished(again) from None
    rows = [results.rows[each.key] for each in todo]
    return _written(given, ground, chosen, rows, folder)


def _measure(given: compare.Options, todo: list[suite.Todo], results: Results, folder: Path) -> None:
    place = Place(networks=folder / "networks", device=given.device)
    with show.stages(quiet=given.quiet, parts=False):
        for row in suite.run(todo, results, place):
            progress.say(said(row))


def _written(
    given: compare.Options, ground: Compared, chosen: list[Entrant], rows: list[Row], folder: Path
) -> int:
    budget = None if given.own_only else given.budget
    page = view(ground, chosen, rows, budget, folder / TABLE)
    put(folder / TABLE, parquet(table(rows)))
    put(folder / PAGE, render(page).encode())
    to_cite = [each.method.partition("@")[0].removesuffix(f"-{ORACLE}") for each in chosen]
    to_cite = [name for name in dict.fromkeys(to_cite) if name in METHODS and cited(METHODS[name])]

    def tell() -> None:
        tell_tables(page)
        if ESTIMATED in page.notes:
            say(ESTIMATED)
        say(f"Results: {pasted(folder / TABLE)}")
        if to_cite:
            say(f"Sources: unchaff cite {' '.join(to_cite)}")
        say(f"Page: {pasted(folder / PAGE)}")

    content = {
        "rows": [{**asdict(row), "kept": None} for row in rows],
        "left_out": [row.name for row in rows if not row.applies],
        "results": answer.whole(folder / TABLE),
        "page": answer.whole(folder / PAGE),
    }
    return answer.give(given, answer.Answer(content=content, tell=tell, path=folder / TABLE))


def _methods(text: str) -> list[str]:
    names = options.parts_of(text)
    if not names:
        raise ConfigError(f"--methods names no method. Allowed: all, {', '.join((*METHODS, ORACLE))}.")
    return [each for name in names for each in (METHODS if name == ALL else [name])]
