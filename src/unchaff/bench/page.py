"""Rows of a suite -> the tables and charts that are printed and put on its page."""

from collections.abc import Sequence
from pathlib import Path

from unchaff.bench.rows import Row
from unchaff.bench.settings import Setting
from unchaff.bench.summary import Line, Spread, summarised
from unchaff.report.charts import accuracy_against_cost
from unchaff.report.views import Chart, ComparisonView, GroundView, Rung, Table
from unchaff.report.words import MINUS

OURS = "unlearn"
REFERENCE = "unlearn@0.25"
IDLE = {"\u2013", "100", "100 \u00b1 0"}  # a column of nothing else is left out: sizes that all stayed
SPLITS = (
    "contender",
    "seeds",
    "AUROC",
    "missed at rate, %",
    "F1",
    "quality error",
    "noise found, %",
    "kept, %",
    "decided otherwise, %",
)
DETECTORS = ("detector", "seeds", "AUROC", "missed at rate, %", "F1", "cost share", "seconds")


def view(suite: str, settings: Sequence[Setting], rows: Sequence[Row], file: Path) -> ComparisonView:
    """Return all the page of a suite shows; settings without a row are named as not measured."""
    grounds = tuple(ground(setting, rows) for setting in settings if _of(setting, rows))
    missing = [setting.name for setting in settings if not _of(setting, rows)]
    commits = sorted({str(row.made.get("commit")) for row in rows})
    notes = [
        "Last epoch or chosen on noisy validation; mean \u00b1 deviation over seeds, leads paired by seed.",
        "Cost share: operations of everything, scoring included, over those of one full training.",
        f"Measured at commit {', '.join(commits)}." if commits else "Nothing is measured yet.",
    ]
    if missing:
        notes.append(f"Not yet measured: {', '.join(missing)}.")
    latest = max((str(row.made.get("when", "")) for row in rows), default="")
    return ComparisonView(
        title=f"unchaff bench {suite}",
        created=latest.replace("T", " ").replace("+00:00", " UTC"),
        sentence=f"{len(rows)} measurements on {len(grounds)} of {len(settings)} settings",
        notes=tuple(notes),
        grounds=grounds,
        file=file.name,
    )


def ground(setting: Setting, rows: Sequence[Row]) -> GroundView:
    """Return the tables and the chart of one setting."""
    lines = summarised(_of(setting, rows), reference=REFERENCE)
    methods = [line for line in lines if line.accuracy is not None]
    detectors = [line for line in lines if line.accuracy is None and line.auroc is not None]
    measured = [line for line in lines if line not in detectors]  # summaries have no accuracy
    tables = [
        methods_table("Methods at their cost", methods, REFERENCE),
        splits_table(methods),
        more_table(measured),
    ]
    if detectors:
        rows_of = tuple(map(_detector, detectors))
        tables.append(Table("Detectors on the same network", DETECTORS, rows_of, ("readout",)))
    return GroundView(
        name=setting.name,
        sentence=setting.sentence,
        tables=tuple(table for table in tables if table.rows),
        charts=charts(methods),
    )


def methods_table(title: str, lines: Sequence[Line], reference: str, *, with_start: bool = False) -> Table:
    """Return accuracy and cost of each method; on demand also with the training of the finished network."""
    headings = [
        "contender", "seeds", "accuracy, %", f"{reference} leads by", "gap recovered, %",
        "size, %", "cost share", "wall share", "seconds",
    ]  # fmt: skip
    cells = [list(_method(line)) for line in lines]
    if with_start:
        headings.insert(7, "with the start")
        for row, line in zip(cells, lines, strict=True):
            row.insert(7, _plain(line.with_start, 2))
    said = [place for place, column in enumerate(zip(*cells, strict=True)) if not set(column) <= IDLE]
    return Table(
        title,
        tuple(headings[place] for place in said),
        tuple(tuple(row[place] for place in said) for row in cells),
        _ours(lines),
    )


def splits_table(lines: Sequence[Line]) -> Table:
    """Return what the methods set aside, of those that make a split."""
    splits = [line for line in lines if line.kept_share is not None]
    return Table("What the methods set aside", SPLITS, tuple(map(_split, splits)), _ours(splits))


def more_table(lines: Sequence[Line]) -> Table:
    """Return all other measures, of those that have any; accuracies and errors as fractions."""
    names = list(dict.fromkeys(name for line in lines for name in line.more))
    cells = [
        (line.name, str(len(line.seeds)), *(_plain(line.more.get(name), 3) for name in names))
        for line in lines
        if line.more
    ]
    headings = ("contender", "seeds", *(name.replace("_", " ") for name in names))
    return Table("Other measures", headings, tuple(cells), _ours(lines))


def charts(lines: Sequence[Line]) -> tuple[Chart, ...]:
    """Return accuracy against cost; nothing where there is too little to draw."""
    chart = accuracy_against_cost([_rung(line) for line in lines])
    return () if chart is None else (chart,)


def _ours(lines: Sequence[Line]) -> tuple[str, ...]:
    return tuple(line.name for line in lines if line.name.startswith(OURS))


def _of(setting: Setting, rows: Sequence[Row]) -> list[Row]:
    return [row for row in rows if row.setting == setting.name]


def _method(line: Line) -> tuple[str, ...]:
    return (
        line.name,
        str(len(line.seeds)),
        _percent(line.accuracy),
        _percent(line.lead, signed=True),
        _percent(line.gap, digits=0),
        _percent(line.size, digits=0),
        _plain(line.share, 2),
        "\u2013" if line.seconds_share is None else f"{line.seconds_share:.2f}",
        "\u2013" if line.seconds is None else f"{line.seconds:.1f}",
    )


def _split(line: Line) -> tuple[str, ...]:
    return (
        line.name,
        str(len(line.seeds)),
        _plain(line.auroc, 3),
        _percent(line.fnr),
        _plain(line.f1, 3),
        _plain(line.calibration_error, 3),
        _percent(line.noise_rate),
        _percent(line.kept_share),
        _percent(line.changed),
    )


def _detector(line: Line) -> tuple[str, ...]:
    return (
        line.name,
        str(len(line.seeds)),
        _plain(line.auroc, 3),
        _percent(line.fnr),
        _plain(line.f1, 3),
        _plain(line.share, 3),
        "\u2013" if line.seconds is None else f"{line.seconds:.1f}",
    )


def _percent(spread: Spread | None, *, signed: bool = False, digits: int = 1) -> str:
    if spread is None:
        return "\u2013"
    mean = f"{spread.mean * 100:{'+' if signed else ''}.{digits}f}".replace("-", MINUS)
    return mean if spread.deviation is None else f"{mean} \u00b1 {spread.deviation * 100:.{digits}f}"


def _plain(spread: Spread | None, digits: int) -> str:
    if spread is None:
        return "\u2013"
    mean = f"{spread.mean:.{digits}f}"
    wide = spread.deviation is not None and round(spread.deviation, digits) > 0
    return f"{mean} \u00b1 {spread.deviation:.{digits}f}" if wide else mean


def _rung(line: Line) -> Rung:
    accuracy = line.accuracy or Spread(0.0, None, 0)
    reach = accuracy.deviation or 0.0
    is_ours = line.name.startswith(OURS)
    return Rung(
        name=line.name,
        role="before" if line.name == "nothing" else "after" if is_ours else "control",
        accuracy=accuracy.mean,
        interval=(accuracy.mean - reach, accuracy.mean + reach),
        macro_f1=0.0,
        seconds=line.seconds,
        flops=None if line.share is None else line.share.mean,
        share=None if line.share is None else line.share.mean,
        seconds_share=line.seconds_share,
    )
