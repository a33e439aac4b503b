"""Rows of a suite -> the tables and charts that are printed and put on its page."""

from collections.abc import Sequence
from pathlib import Path

from unchaff.bench.rows import Row
from unchaff.bench.suites import PACK, Setting
from unchaff.bench.summary import Line, Spread, summarised
from unchaff.report.charts import accuracy_against_cost
from unchaff.report.views import ComparisonView, GroundView, Rung, Table
from unchaff.report.words import MINUS

OURS = "unlearn"
REFERENCE = "unlearn@0.25"
METHODS = (
    "contender", "seeds", "accuracy, %", f"{REFERENCE} leads by", "gap recovered, %",
    "size, %", "cost share", "wall share", "seconds",
)  # fmt: skip
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
    here = _of(setting, rows)
    lines = summarised(here, reference=REFERENCE)
    methods = [line for line in lines if line.accuracy is not None]
    detectors = [line for line in lines if line.accuracy is None]
    ours = tuple(line.name for line in methods if line.name.startswith(OURS))
    tables = []
    if methods:
        tables.append(Table("Methods at their cost", METHODS, tuple(map(_method, methods)), ours))
    splits = [line for line in methods if line.kept_share is not None]
    if splits:
        tables.append(Table("What the methods set aside", SPLITS, tuple(map(_split, splits)), ours))
    if detectors:
        tables.append(
            Table("Detectors on the same network", DETECTORS, tuple(map(_detector, detectors)), ("readout",))
        )
    chart = accuracy_against_cost([_rung(line) for line in methods])
    return GroundView(
        name=setting.name,
        sentence=_sentence(setting),
        tables=tuple(tables),
        charts=() if chart is None else (chart,),
    )


def _of(setting: Setting, rows: Sequence[Row]) -> list[Row]:
    return [row for row in rows if row.setting == setting.name]


def _sentence(setting: Setting) -> str:
    rows = "" if setting.rows is None else f", first {setting.rows} rows"
    how = "with augmentation" if setting.augment else "without augmentation"
    noise = setting.noise.replace(f"{PACK}/", "")
    network = setting.model or "the default network"
    return f"{setting.data}{rows}; noise {noise}; {network}, {setting.epochs} epochs {how}."


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
