"""What `bench` does, and says about it."""

import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from rich.table import Table as Grid
from rich.text import Text

from unchaff import progress
from unchaff.bench import suite
from unchaff.bench.page import view
from unchaff.bench.rows import Results, Row
from unchaff.bench.settings import Place
from unchaff.bench.suites import SUITES
from unchaff.bench.summary import outside
from unchaff.cli import answer, bench, options, show, terminal
from unchaff.cli.said import say
from unchaff.cli.words import duration, pasted, percent, plain
from unchaff.report.page import render
from unchaff.report.views import ComparisonView, Table
from unchaff.report.words import visible
from unchaff.whole import put

PAGE = "index.html"


def perform(given: bench.Options) -> int:
    """Run what is missing, write the page, print the tables, and return the exit code."""
    settings = SUITES[given.suite]
    seeds = None if given.seeds is None else options.seeds(given.seeds)
    todo = suite.planned(settings, only=given.only, seeds=seeds)
    folder = given.folder
    results = Results(folder / bench.RESULTS)
    if given.list_rows:
        return listed(given, {str(each): each.key in results.rows for each in todo})
    place = Place(packs=given.packs, networks=given.networks or _cache(), device=given.device)
    with show.stages(quiet=given.quiet, parts=False):
        for row in suite.run(todo, results, place, minutes=given.minutes):
            progress.say(said(row))
    rows = [results.rows[each.key] for each in todo if each.key in results.rows]
    page, file = view(given.suite, settings, rows, results.file), folder / PAGE
    put(file, render(page).encode())
    failed = outside(rows, {setting.name: dict(setting.ranges) for setting in settings})
    left = len(todo) - len(rows)

    def tell() -> None:
        tell_tables(page)
        if left:
            say(f"{left} of {len(todo)} rows are still to be measured: run the same command again.")
        say(f"Results: {pasted(results.file)}")
        say(f"Page: {pasted(file)}")

    content = {
        "suite": given.suite,
        "rows": [{**asdict(row), "kept": None} for row in rows],
        "left": left,
        "out_of_range": failed,
        "results": answer.whole(results.file),
        "page": answer.whole(file),
    }
    code = bench.OUT_OF_RANGE if failed else 0
    answer.give(given, answer.Answer(content=content, tell=tell, path=results.file, code=code))
    for sentence in failed:
        say(f"Out of range: {sentence}", err=True)
    return code


def tell_tables(page: ComparisonView) -> None:
    """Print all tables of a page."""
    for ground in page.grounds:
        for table in ground.tables:
            terminal.tell(plain(f"{ground.name}: {table.title}"), style="bold")
            terminal.show(_grid(table))
            say("")


def listed(given: bench.Options, rows: Mapping[str, bool]) -> int:
    """Say which rows there are, and whether they were measured."""

    def tell() -> None:
        for name, is_there in rows.items():
            say(f"{'measured' if is_there else 'missing '} {name}")

    content = {"suite": given.suite, "measured": dict(rows)}
    return answer.give(given, answer.Answer(content=content, tell=tell))


def _grid(table: Table) -> Grid:
    grid = terminal.grid()
    for place, heading in enumerate(table.headings):
        is_words = place == 0 or place in table.words
        grid.add_column(Text(visible(plain(heading))), justify="left" if is_words else "right")
    for row in table.rows:
        style = "bold" if row[0] in table.ours else ""
        grid.add_row(*(Text(visible(plain(cell))) for cell in row), style=style)
    return grid


def said(row: Row) -> str:
    """Return one line about a new row."""
    where = f"{row.setting}/{row.name}/{row.seed}"
    if not row.applies:
        return f"{where}: {' '.join(row.notes) or 'does not apply here'}"
    auroc = row.found("auroc")
    parts = [] if row.accuracy is None else [f"accuracy {percent(row.accuracy)}"]
    parts += [] if auroc is None else [f"AUROC {auroc:.3f}"]
    return f"{where}: {', '.join(parts) or 'done'}, {duration(row.seconds)}"


def _cache() -> Path:
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "unchaff" / "networks"
