"""What `bench` does, and says about it."""

import os
import sys
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

from unchaff.bench import suite
from unchaff.bench.page import view
from unchaff.bench.rows import Results, Row
from unchaff.bench.suites import SUITES
from unchaff.bench.summary import outside
from unchaff.cli import bench, show
from unchaff.cli.said import say, visible
from unchaff.errors import ConfigError
from unchaff.report.page import render
from unchaff.report.views import BenchView, Table
from unchaff.whole import put

OUT_OF_RANGE = 3
WIDE = 180
RESULTS, PAGE = "results.jsonl", "index.html"


def perform(given: bench.Options) -> int:
    """Run what is missing, write the page, print the tables, and return the exit code."""
    settings = SUITES[given.suite]
    todo = suite.planned(settings, only=given.only, seeds=_seeds(given.seeds))
    folder = given.out or Path("bench") / given.suite
    results = Results(folder / RESULTS)
    if given.list_rows:
        for each in todo:
            say(f"{'measured' if each.key in results.rows else 'missing '} {each}")
        return 0
    place = suite.Place(packs=given.packs, networks=given.networks or _cache(), device=given.device)
    with show.stages():
        for row in suite.run(todo, results, place, minutes=given.minutes):
            say(_said(row), err=True)
    rows = [results.rows[each.key] for each in todo if each.key in results.rows]
    page = view(given.suite, settings, rows, results.file)
    put(folder / PAGE, render(page).encode())
    _print(page)
    left = len(todo) - len(rows)
    if left:
        say(f"{left} of {len(todo)} rows are still to be measured: run the same command again.")
    say(f"Results: {folder / RESULTS}; page: {folder / PAGE}.")
    ranges = {setting.name: dict(setting.ranges) for setting in settings}
    failed = outside(rows, ranges)
    for sentence in failed:
        say(f"Out of range: {sentence}", err=True)
    return OUT_OF_RANGE if failed else 0


def _print(page: BenchView) -> None:
    console = Console(width=None if sys.stdout.isatty() else WIDE, highlight=False)
    for ground in page.grounds:
        for table in ground.tables:
            console.print(_grid(ground.name, table))


def _grid(name: str, table: Table) -> Grid:
    title = Text(visible(f"{name}: {table.title}"))
    grid = Grid(box=box.SIMPLE_HEAD, title=title, title_justify="left")
    for place, heading in enumerate(table.headings):
        grid.add_column(Text(visible(heading)), justify="right" if place else "left")
    for row in table.rows:
        grid.add_row(*(Text(visible(cell)) for cell in row), style="bold" if row[0] in table.ours else "")
    return grid


def _said(row: Row) -> str:
    where = f"{row.setting}/{row.name}/{row.seed}"
    if not row.applies:
        return f"{where}: does not apply here"
    auroc = row.found("auroc")
    parts = [] if row.accuracy is None else [f"accuracy {row.accuracy:.1%}"]
    parts += [] if auroc is None else [f"AUROC {auroc:.3f}"]
    return f"{where}: {', '.join(parts) or 'done'}, {row.seconds:.1f} s"


def _seeds(text: str | None) -> tuple[int, ...] | None:
    if text is None:
        return None
    parts = text.split(",")
    if not all(part.strip().isdigit() for part in parts):
        raise ConfigError(f"--seeds must be whole numbers with commas, got {text!r}. Try 0,1,2.")
    return tuple(int(part) for part in parts)


def _cache() -> Path:
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "unchaff" / "networks"
