"""Rows of a comparison -> the tables that are printed and put on its page, and one for those who go on."""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from unchaff.bench.comparison import NAME, START, Compared, Entrant
from unchaff.bench.page import charts, methods_table, more_table, splits_table
from unchaff.bench.rows import Row
from unchaff.bench.summary import Line, summarised
from unchaff.report.views import ComparisonView, GroundView, Table

NOTES = (
    (
        "Every method gets the same samples with the same labels, the same finished network, or the same new "
        "weights where it trains anew, and the same test; the same random changes of its inputs, unless it "
        "brings its own, or is published, which changes none. The oracle is a whole training wherever it "
        "stands."
    ),
    "Last epoch or chosen on noisy validation; mean \u00b1 deviation over seeds, leads paired by seed.",
    (
        "Cost share: operations of everything, scoring included, over those of one full training; with the "
        "start: the training of the finished network too, for a method that needs one."
    ),
)

ESTIMATED = (
    "Cost shares and budgets are estimated: the recipe the network was trained with is not known, and the "
    "usual one for such a network and so many samples is assumed."
)


def view(
    ground: Compared, chosen: Sequence[Entrant], rows: Sequence[Row], budget: float | None, file: Path
) -> ComparisonView:
    """Return all the page shows; what was left out is named, with the reason."""
    reference = chosen[0].own
    lines = [line for line in summarised(rows, reference=reference) if line.accuracy is not None]
    own = _among(lines, [START, *(each.own for each in chosen)])
    tables = [methods_table("Each at its own cost", own, reference, with_start=True)]
    if budget is not None:
        equal = [START, *(each.equal for each in chosen if each.equal)]
        second = next((each.equal for each in chosen if each.equal), reference)
        at_equal = [line for line in summarised(rows, reference=second) if line.accuracy is not None]
        many = "one full training" if budget == 1 else f"{budget:g} full trainings"
        title = f"All at the cost of {many}"
        tables.append(methods_table(title, _among(at_equal, equal), second, with_start=True))
    tables += [splits_table(lines), more_table(lines), _left_out(chosen, rows, budget)]
    latest = max((str(row.made.get("when", "")) for row in rows), default="")
    seeds = ", ".join(map(str, ground.seeds))
    compared = "One method" if len(chosen) == 1 else f"{len(chosen)} methods"
    return ComparisonView(
        title="unchaff compare",
        created=latest.replace("T", " ").replace("+00:00", " UTC"),
        sentence=f"{compared} on the same data, the same noise and the same start; seeds {seeds}",
        notes=(*NOTES, *([ESTIMATED] if any(row.share_is_estimated for row in rows) else [])),
        grounds=(
            GroundView(
                name=NAME,
                sentence=ground.sentence,
                tables=tuple(table for table in tables if table.rows),
                charts=charts(lines),
            ),
        ),
        file=file.name,
    )


def _among(lines: Sequence[Line], names: Sequence[str]) -> list[Line]:
    by_name = {line.name: line for line in lines}
    return [by_name[name] for name in dict.fromkeys(names) if name in by_name]


def _left_out(chosen: Sequence[Entrant], rows: Sequence[Row], budget: float | None) -> Table:
    """Return what is in no table, or in one only, and why."""
    unfit = {row.name: row.notes for row in rows if not row.applies}
    cells = []
    for each in chosen:
        lacking = next((name for name in (each.own, each.equal) if name in unfit), None)
        if lacking is not None:
            cells.append((each.method, " ".join(unfit[lacking])))
        elif budget is not None and each.equal is None and each.own != START:
            cells.append((each.method, f"{each.why} It is in the first table only."))
    return Table("Left out", ("method", "why"), tuple(cells), words=(1,))


def table(rows: Sequence[Row]) -> pa.Table:
    """Return one line per method and seed, with plain columns, for those who go on with the numbers."""
    numbers = ("accuracy", "macro_precision", "macro_recall", "macro_f1")
    more = list(dict.fromkeys(name for row in rows for name in row.more))
    found = ("auroc", "auprc", "f1", "fnr_at_rate")
    lines = [
        {
            "method": row.name,
            "seed": row.seed,
            "applies": row.applies,
            **{name: _number((row.scores or {}).get(name)) for name in numbers},
            **{name: row.found(name) for name in found},
            "calibration_error": row.calibration_error,
            "noise_rate": row.noise_rate,
            "kept_share": row.kept_share,
            "seconds": row.seconds,
            "flops": row.flops,
            **{f"share_{name}": row.share.get(name) for name in ("flops", "seconds", "with_start")},
            "share_is_estimated": row.share_is_estimated,
            **{name: row.more.get(name) for name in more},
            "notes": " ".join(row.notes),
        }
        for row in rows
    ]
    return pa.Table.from_pylist(lines)


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None
