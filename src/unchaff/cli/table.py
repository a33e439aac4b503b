"""What was measured, as the table a run ends with."""

import sys
from collections.abc import Mapping
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from unchaff.cli.said import visible

PLAIN_WIDTH = 100
Metrics = Mapping[str, Any]  # the content of metrics.json


def show(metrics: Metrics) -> None:
    """Print the scores before, after and of each control, and what is known of the split."""
    console = Console(width=None if sys.stdout.isatty() else PLAIN_WIDTH, highlight=False)
    console.print(scores(metrics))
    for line in facts(metrics):
        console.print(visible(line), markup=False, soft_wrap=True)


def scores(metrics: Metrics) -> Table:
    """Return one row for each network that was measured."""
    table = Table(
        box=box.SIMPLE_HEAD,
        title=Text(visible(f"Measured on: {metrics['measured_on']}")),
        title_justify="left",
    )
    table.add_column("network")
    for heading in ("accuracy", "macro F1", "cost share (FLOPs)"):
        table.add_column(heading, justify="right")
    _add(table, "before", metrics["before"], None)
    if metrics["after"] is not None:
        _add(table, "repaired", metrics["after"], metrics["cost"]["share"], style="bold")
    for name, control in metrics["controls"].items():
        _add(table, f"control: {name}", control, control["share"])
    return table


def _add(
    table: Table, name: str, measured: Metrics, share: Mapping[str, float | None] | None, *, style: str = ""
) -> None:
    cost = None if share is None else share["flops"]
    cells = (percent(measured["accuracy"]), percent(measured["macro_f1"]))
    table.add_row(Text(visible(name)), *cells, "-" if cost is None else f"{cost:.2f}", style=style)


def facts(metrics: Metrics) -> list[str]:
    """Return one line for each thing that is known about the split and its cost."""
    lines = []
    if metrics["kept_share"] is not None:
        said = "nothing to reject" if metrics["abstained"] else f"{metrics['num_pruned_units']} units pruned"
        lines.append(
            f"Kept {percent(metrics['kept_share'])} of the samples ({said}); "
            f"estimated noise rate {percent(metrics['noise_rate_estimate'])}."
        )
    if metrics["detection"] is not None:
        auroc = metrics["detection"]["auroc"]
        value = "not defined (no sample, or every sample, is noisy)" if auroc is None else f"{auroc:.3f}"
        lines.append(f"Detection AUROC against the truth: {value}.")
    cost = metrics["cost"]
    if cost["share"] is not None and cost["share"]["flops"] is not None:
        estimated = (
            " (estimated: the recipe of the training is not known)" if cost["share_is_estimated"] else ""
        )
        lines.append(
            f"Cost share: {cost['share']['flops']:.2f} of the FLOPs of one full training, scoring included"
            f"{estimated}; {cost['seconds']:.1f} s."
        )
    return lines


def percent(fraction: float | None) -> str:
    """Return a fraction as per cent.

    >>> percent(0.8642)
    '86.4 %'
    """
    return "-" if fraction is None else f"{fraction * 100:.1f} %"
