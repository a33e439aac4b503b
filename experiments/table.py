"""Print the tables of the README from the result files: means and spreads over seeds."""

import json
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

from unchaff.bench.rows import Results
from unchaff.bench.suites import SUITES
from unchaff.bench.summary import Line, Spread, summarised

RESULTS = Path(__file__).parent / "main_job"
Result = dict[str, Any]
TITLES = {
    "digits-symmetric-0.4": "digits, symmetric 40 %, mlp",
    "cifar10-symmetric-0.4": "CIFAR-10 (15,000), symmetric 40 %, small-cnn",
    "cifar10-worse-label": "CIFAR-10N `worse_label` (15,000), small-cnn",
    "speech-symmetric-0.4": "Speech Commands, symmetric 40 %, audio-cnn",
    "speech-gaussian-0.5": "Speech Commands, Gaussian 0 dB on half, audio-cnn",
    "digits-clean": "digits, no noise, mlp",
    "spoken-digits-clean": "spoken digits, no noise, audio-cnn",
}
COLUMNS = ("seeds", "before", "repaired", "finetune-all", "kept", "AUROC first, last", "cost share")
HEAD = (f"| data, noise, network | {' | '.join(COLUMNS)} |", f"|---|{'--:|' * len(COLUMNS)}")


def results(name: str) -> list[Result]:
    """Return the results of one setting, by seed."""
    return [json.loads(file.read_text()) for file in sorted(RESULTS.glob(f"{name}-seed*.json"))]


def spread(values: list[float], scale: float = 100, digits: int = 1) -> str:
    """Return mean and standard deviation over seeds."""
    mean = f"{statistics.mean(values) * scale:.{digits}f}"
    if len(values) < 2:
        return mean
    return f"{mean} ± {statistics.stdev(values) * scale:.{digits}f}"


def row(name: str, title: str) -> str:
    """Return one line of the table."""
    runs = results(name)

    def over(read: Callable[[Result], float], scale: float = 100, digits: int = 1) -> str:
        return spread([read(run) for run in runs], scale, digits)

    looks = [] if runs[0]["detection"] is None else ["first_detection", "detection"]
    aurocs = [over(lambda run, look=look: run[look]["auroc"], 1, 3) for look in looks]
    cells = [
        title,
        str(len(runs)),
        over(lambda run: run["before"]["accuracy"]),
        over(lambda run: run["after"]["accuracy"]),
        over(lambda run: run["controls"]["finetune-all"]["accuracy"]),
        over(lambda run: run["kept_share"]),
        ", ".join(aurocs) or "-",
        f"{statistics.mean(run['cost']['share']['flops'] for run in runs):.2f}",
    ]
    return f"| {' | '.join(cells)} |"


def table() -> str:
    """Return the whole table in Markdown."""
    return "\n".join([*HEAD, *(row(name, title) for name, title in TITLES.items() if results(name))])


BENCH = {
    "before": "nothing",
    "repaired, 0.25": "unlearn@0.25",
    "0.5": "unlearn@0.5",
    "finetune-all, 0.25": "finetune-all@0.25",
    "scratch, 0.25": "retrain@0.25",
    "oracle": "oracle",
}
JUDGED = ("AUROC, 0.25", "0.5", "quality error", "noise found (true)")


def bench(suite: str) -> str:
    """Return the table of a suite of the benchmark: accuracies in %, and how samples were judged."""
    rows = Results(Path(__file__).parent / suite / "results.jsonl").rows.values()
    lines = {(line.setting, line.name): line for line in summarised(list(rows))}
    rates = {row.setting: row.found("noise_rate") for row in rows if row.detection is not None}
    columns = ("setting", "seeds", *BENCH, *JUDGED)
    head = [f"| {' | '.join(columns)} |", f"|---|{'--:|' * (len(columns) - 1)}"]
    measured = [each.name for each in SUITES[suite] if (each.name, "nothing") in lines]
    return "\n".join([*head, *(bench_row(name, lines, rates) for name in measured)])


def bench_row(setting: str, lines: dict[tuple[str, str], Line], rates: dict[str, float | None]) -> str:
    """Return one line of the table of a suite."""

    def shown(name: str, what: str, scale: float = 100, digits: int = 1) -> str:
        found: Spread | None = getattr(lines.get((setting, name)), what, None)
        if found is None:
            return "-"
        mean = f"{found.mean * scale:.{digits}f}"
        return mean if found.deviation is None else f"{mean} ± {found.deviation * scale:.{digits}f}"

    rate = rates.get(setting)
    cells = [
        setting,
        str(len(lines[setting, "nothing"].seeds)),
        *(shown(name, "accuracy") for name in BENCH.values()),
        shown("unlearn@0.25", "auroc", 1, 3),
        shown("unlearn@0.5", "auroc", 1, 3),
        shown("unlearn@0.25", "calibration_error", 1, 3),
        shown("unlearn@0.25", "noise_rate") + ("" if rate is None else f" ({rate * 100:.1f})"),
    ]
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    for each in (table(), bench("cpu")):
        print(each, end="\n\n")  # noqa: T201  this is a script
