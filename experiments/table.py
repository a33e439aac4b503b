"""The tables of the pages, made from the result files: `python experiments/table.py` puts them in place."""

import json
import re
import statistics
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from unchaff.bench.comparison import Entrant, entrants
from unchaff.bench.contenders import ORACLE, WITH_TRUTH
from unchaff.bench.lines import known
from unchaff.bench.memory import GB, Weighed
from unchaff.bench.rows import Results, Row
from unchaff.bench.scale import Carried
from unchaff.bench.settings import Setting
from unchaff.bench.suites import LITERAL, SUITES
from unchaff.bench.summary import Line, Spread, summarised
from unchaff.methods import METHODS

HERE = Path(__file__).parent
ROOT = HERE.parent
Result = dict[str, Any]
Lines = Mapping[tuple[str, str], Line]
TITLES = {
    "digits-symmetric-0.4": "digits, symmetric 40 %, mlp",
    "speech-gaussian-0.5": "Speech Commands, Gaussian 0 dB on half, audio-cnn",
    "digits-clean": "digits, no noise, mlp",
    "spoken-digits-clean": "spoken digits, no noise, audio-cnn",
}
BENCH = {
    "before": "nothing",
    "repaired, 0.25": "unlearn@0.25",
    "0.5": "unlearn@0.5",
    "1.0": "unlearn@1",
    "finetune-all, 0.25": "finetune-all@0.25",
    "scratch, 0.25": "retrain@0.25",
    "oracle": "oracle",
}


def markdown(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a table: its first column to the left, numbers to the right."""
    names = list(head)
    lines = [names, ["---", *["--:"] * (len(names) - 1)], *map(list, rows)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def shown(values: list[float] | Spread | None, scale: float = 100, digits: int = 1, sign: str = "") -> str:
    """Return mean and standard deviation over seeds."""
    if isinstance(values, list):
        deviation = statistics.stdev(values) if len(values) > 1 else None
        values = Spread(statistics.mean(values), deviation, len(values))
    if values is None:
        return "-"
    mean = f"{round(values.mean * scale, digits) + 0.0:{sign}.{digits}f}"
    return mean if values.deviation is None else f"{mean} ± {values.deviation * scale:.{digits}f}"


def main_job() -> str:
    """Return the table of runs of `unchaff repair`, one file a seed."""

    def row(name: str) -> list[str]:
        files = sorted((HERE / "main_job").glob(f"{name}-seed*.json"))
        runs: list[Result] = [json.loads(file.read_text()) for file in files]

        def over(read: Callable[[Result], float], scale: float = 100, digits: int = 1) -> str:
            return shown([read(run) for run in runs], scale, digits)

        looks = [] if runs[0]["detection"] is None else ["first_detection", "detection"]
        aurocs = [over(lambda run, look=look: run[look]["auroc"], 1, 3) for look in looks]
        return [
            TITLES[name],
            str(len(runs)),
            over(lambda run: run["before"]["accuracy"]),
            over(lambda run: run["after"]["accuracy"]),
            over(lambda run: run["controls"]["finetune-all"]["accuracy"]),
            over(lambda run: run["kept_share"]),
            ", ".join(aurocs) or "-",
            f"{statistics.mean(run['cost']['share']['flops'] for run in runs):.2f}",
        ]

    head = ("data, noise, network", "seeds", "before", "repaired", "finetune-all", "kept",
            "AUROC first, last", "cost share")  # fmt: skip
    return markdown(head, map(row, TITLES))


def measured(suite: str, kind: str = "method") -> tuple[list[Row], Lines]:
    """Return the rows of a suite that are of one kind, and what they say over seeds."""
    rows = [row for row in Results(HERE / suite / "results.jsonl").rows.values() if row.kind == kind]
    return rows, {(line.setting, line.name): line for line in summarised(rows)}


def bench() -> str:
    """Return accuracies of the suite `cpu` in %, and how samples were judged."""
    rows, lines = measured("cpu")
    rates = {row.setting: row.found("noise_rate") for row in rows if row.detection is not None}

    def row(setting: str) -> list[str]:
        def of(name: str, what: str, scale: float = 100, digits: int = 1) -> str:
            found: Spread | None = getattr(lines.get((setting, name)), what, None)
            fewer = "" if found is None or found.n == seeds else f" ({found.n})"
            return shown(found, scale, digits) + fewer

        seeds = len(lines[setting, "nothing"].seeds)
        rate = rates.get(setting)
        return [
            setting,
            str(seeds),
            *(of(name, "accuracy") for name in BENCH.values()),
            of("unlearn@0.25", "auroc", 1, 3),
            of("unlearn@0.5", "auroc", 1, 3),
            of("unlearn@0.25", "calibration_error", 1, 3),
            of("unlearn@0.25", "noise_rate") + ("" if rate is None else f" ({rate * 100:.1f})"),
        ]

    head = ("setting", "seeds", *BENCH, "AUROC, 0.25", "0.5", "quality error", "noise found (true)")
    return markdown(head, (row(each.name) for each in SUITES["cpu"] if (each.name, "nothing") in lines))


def ablated(setting: Setting) -> str:
    """Return our method with one part changed: accuracy, and what the change costs, paired by seed."""
    _, lines = measured("ablations")
    names = [name for name in setting.contenders if (setting.name, name) in lines]

    def row(name: str) -> list[str]:
        line = lines[setting.name, name]
        lead = None if line.lead is None else Spread(-line.lead.mean, line.lead.deviation, line.lead.n)
        size = "-" if line.size is None else f"{line.size.mean * 100:.0f}"
        return [
            f"`{name}`",
            str(len(line.seeds)),
            shown(line.accuracy),
            shown(lead, sign="+"),
            shown(line.auroc, 1, 3),
            shown(line.changed),
            size,
            "-" if line.share is None else f"{line.share.mean:.2f}",
        ]

    against = "against `unlearn@0.25`"
    head = ("row", "seeds", "accuracy", against, "AUROC", "decided otherwise", "size", "cost")
    return markdown(head, map(row, names))


def evidence() -> str:
    """Return how well each piece of evidence ranks planted noise: AUROC by setting."""
    _, lines = measured("ablations", "detector")
    settings = [each for each in SUITES["ablations"] if any(key[0] == each.name for key in lines)]
    names = dict.fromkeys(name for each in settings for name in each.detectors)

    def row(name: str) -> list[str]:
        found = [getattr(lines.get((each.name, name)), "auroc", None) for each in settings]
        return [f"`{name}`", *(shown(each, 1, 3) for each in found)]

    return markdown(("evidence", *(each.name for each in settings)), map(row, names))


def verdict() -> str:
    """Return the published method, in its three forms, beside controls and ours."""
    names = ("nothing", *LITERAL, "finetune-all@0.25", "retrain", "unlearn@0.25", "unlearn@0.5")
    rows = []
    for suite in ("ablations", "cpu"):
        _, lines = measured(suite)
        for setting in SUITES[suite]:
            if not set(LITERAL) & {name for where, name in lines if where == setting.name}:
                continue
            for name in names:
                line = lines.get((setting.name, name))
                if line is not None:
                    cost = "-" if line.share is None else f"{line.share.mean:.2f}"
                    judged = shown(line.auroc, 1, 3)
                    count = str(len(line.seeds))
                    rows.append([setting.name, f"`{name}`", count, shown(line.accuracy), cost, judged])
    return markdown(("setting", "row", "seeds", "accuracy", "cost", "AUROC"), rows)


def side_by_side(folder: str) -> str:
    """Return all methods on the same ground: `unchaff compare`, each at its own cost and all at the same."""
    rows = list(Results(HERE / "compare" / folder / "results.jsonl").rows.values())
    lines = {line.name: line for line in summarised(rows)}
    names = [*METHODS, ORACLE, *WITH_TRUTH]

    def row(entrant: Entrant) -> list[str]:
        line = lines[entrant.own]
        equal = lines.get(entrant.equal or "")
        return [
            f"`{entrant.method}`",
            str(len(line.seeds)),
            shown(line.accuracy),
            shown(line.auroc, 1, 3),
            shown(line.more.get("label_error")),
            "-" if line.share is None else f"{line.share.mean:.2f}",
            "-" if line.with_start is None else f"{line.with_start.mean:.2f}",
            "-" if line.seconds is None else f"{line.seconds:.1f}",
            "-" if equal is None else shown(equal.accuracy),
        ]

    head = ("method", "seeds", "accuracy", "AUROC", "suggested labels wrong", "cost", "with the start",
            "seconds", "accuracy at the cost of one training")  # fmt: skip
    return markdown(head, (row(each) for each in entrants(names, 1.0) if each.own in lines))


def systems() -> str:
    """Return the methods of the literature on the noise each was made for."""
    _, lines = measured("systems")

    def row(setting: Setting, name: str) -> list[str]:
        line = lines[setting.name, name]
        others = ", ".join(
            f"{what.replace('_', ' ')} {shown(each, 1, 3)}" for what, each in line.more.items()
        )
        cost = "-" if line.share is None else f"{line.share.mean:.2f}"
        judged = shown(line.auroc, 1, 3)
        return [setting.name, f"`{name}`", str(len(line.seeds)), shown(line.accuracy), cost, judged, others]

    there = [(each, name) for each in SUITES["systems"] for name in each.contenders]
    head = ("setting", "row", "seeds", "accuracy", "cost", "AUROC", "others")
    return markdown(head, (row(*each) for each in there if (each[0].name, each[1]) in lines))


def weighed() -> str:
    """Return what scoring data larger than memory takes."""
    rows = known(HERE / "memory" / "results.jsonl", Weighed).values()

    def row(one: Weighed) -> list[str]:
        sizes = (f"{each / GB:.2f}" for each in (one.peak, one.peak_resident, one.limit))
        return [one.setting, f"{one.size / GB:.1f}", f"{one.rows:,}", *sizes, f"{one.seconds / 60:.0f}"]

    head = ("data", "GB", "samples", "peak, GB", "shared pages counted in each process", "limit", "minutes")
    return markdown(head, map(row, rows))


def carried() -> str:
    """Return what a cluster on one machine takes."""
    rows = known(HERE / "scale" / "results.jsonl", Carried).values()

    def row(one: Carried) -> list[str]:
        memory = (f"{each / GB:.2f}" for each in (one.driver, one.growth, one.workers))
        where = f"{one.where}, {one.scorers}" if one.scorers else one.where
        each = 1e6 * one.seconds / one.rows
        return [
            one.setting,
            where,
            f"{one.rows:,}",
            f"{one.start:.0f}",
            f"{one.seconds:.0f}",
            f"{each:.4g}",
            *memory,
        ]

    head = (
        "load",
        "where",
        "rows",
        "start, s",
        "then, s",
        "microseconds a row",
        "driver, GB",
        "of it, since",
        "workers, GB",
    )
    return markdown(head, map(row, rows))


def tables() -> dict[tuple[str, str], str]:
    """Return every table by page and marker."""
    of = {each.name: each for each in SUITES["ablations"]}
    _, lines = measured("ablations")
    done = [name for name in of if (name, "unlearn@0.25") in lines]
    return {
        ("README.md", "table"): main_job(),
        ("README.md", "bench"): bench(),
        **{("docs/ablations.md", name): ablated(of[name]) for name in done},
        ("docs/ablations.md", "evidence"): evidence(),
        ("docs/verdict.md", "verdict"): verdict(),
        ("docs/scale.md", "memory"): weighed(),
        ("docs/scale.md", "scale"): carried(),
        ("docs/methods.md", "digits"): side_by_side("digits"),
        ("docs/methods.md", "systems"): systems(),
    }


def held(page: str, marker: str) -> re.Match[str] | None:
    """Return the table a page holds between its markers."""
    text = (ROOT / page).read_text()
    return re.search(rf"<!-- {marker} -->\n(.*?)<!-- end of {marker} -->", text, re.DOTALL)


if __name__ == "__main__":
    for (page, marker), table in tables().items():
        place = held(page, marker)
        if place is None:
            raise SystemExit(f"{page} has no place for {marker}.")
        text = place.string
        (ROOT / page).write_text(f"{text[: place.start(1)]}{table}\n{text[place.end(1) :]}")
