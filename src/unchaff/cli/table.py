"""What was measured, as a run ends: the verdict, a table, and what is known of the split."""

from collections.abc import Mapping
from typing import Any

from rich.table import Table
from rich.text import Text

from unchaff.cli import terminal
from unchaff.cli.said import say
from unchaff.cli.words import duration, percent, plain
from unchaff.report.views import Verdict
from unchaff.report.words import visible

Metrics = Mapping[str, Any]  # the content of metrics.json
OPTIONAL = (("95 % interval", 72), ("macro F1", 56), ("cost share", 44))  # and the width each column needs


def show(metrics: Metrics, judged: Verdict) -> None:
    """Print the verdict, the scores before, after and of each control, and what lies behind them."""
    terminal.tell(plain(judged.sentence), style="bold")
    if judged.confidence:
        terminal.tell(f"Confidence: {plain(judged.confidence)}")
    say("")
    terminal.show(scores(metrics, terminal.width()))
    say("")
    for line in (*map(plain, judged.details), *facts(metrics)):
        terminal.tell(line)


def scores(metrics: Metrics, width: int) -> Table:
    """Return one row for each network that was measured, with the columns there is room for."""
    table = terminal.grid()
    headings = [name for name, needed in OPTIONAL if width >= needed]
    table.add_column("network", overflow="fold")
    for heading in ("accuracy", *headings):
        table.add_column(heading, justify="right", no_wrap=True)
    rows = [("network" if metrics["after"] is None else "before", metrics["before"], None)]
    if metrics["after"] is not None:
        rows.append(("repaired", metrics["after"], metrics["cost"]["share"]))
    rows += [(f"control: {name}", each, each["share"]) for name, each in metrics["controls"].items()]
    for name, measured, share in rows:
        cells = _cells(measured, share)
        kept = (cells[heading] for heading in headings)
        style = "bold" if name == "repaired" else ""
        table.add_row(Text(visible(name)), percent(measured["accuracy"]), *kept, style=style)
    return table


def _cells(measured: Metrics, share: Mapping[str, float | None] | None) -> dict[str, str]:
    low, high = measured["interval"]
    cost = None if share is None else share["flops"]
    return {
        "95 % interval": f"{low * 100:.1f} to {high * 100:.1f}",
        "macro F1": percent(measured["macro_f1"]),
        "cost share": "-" if cost is None else f"{cost:.2f}",
    }


def facts(metrics: Metrics) -> list[str]:
    """Return one line for each thing that is known about the split and what it took."""
    lines = []
    if metrics["kept_share"] is not None:
        pruned = metrics["num_pruned_units"]
        units = f"; {pruned} units pruned" if pruned else ""
        said = " (nothing to reject)" if metrics["abstained"] else ""
        lines.append(
            f"Estimated noise rate {percent(metrics['noise_rate_estimate'])}; "
            f"{percent(metrics['kept_share'])} of the samples kept{said}{units}."
        )
    if metrics["detection"] is not None:
        auroc = metrics["detection"]["auroc"]
        value = "not defined (no sample, or every sample, is noisy)" if auroc is None else f"{auroc:.3f}"
        lines.append(f"Detection AUROC against the truth: {value}.")
    took = f"{'The repair' if metrics['controls'] else 'It'} took {duration(metrics['cost']['seconds'])}"
    share = metrics["cost"]["share"]
    if (
        metrics["after"] is None and share is not None and share["flops"] is not None
    ):  # else the verdict says it
        took = f"{took}, {percent(share['flops'])} of the operations of one full training"
    judging = metrics["cost"].get("holdout")
    beside = "" if judging is None else f"; judging the hold-out, {duration(judging['seconds'])}"
    lines.append(f"{took}{', the controls apart' if metrics['controls'] else ''}{beside}.")
    return lines
