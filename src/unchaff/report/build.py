"""From a run to what the page shows."""

from collections.abc import Mapping

from unchaff.evaluate.accuracy import Scores
from unchaff.evaluate.cost import share
from unchaff.evaluate.metrics import ON_TEST, Measured
from unchaff.records import Cost
from unchaff.report import charts, sections
from unchaff.report.suspects import by_class, worst
from unchaff.report.verdict import verdict
from unchaff.report.views import Chart, Fact, PageView, Rung
from unchaff.report.words import count, percent, points
from unchaff.runs.record import Run


def view_of(run: Run, manifest: Mapping[str, object]) -> PageView:
    """Return all the page shows; every number is also in a file of the run folder."""
    measured, ladder = run.measured, rungs(run)
    return PageView(
        title=f"unchaff: {_subject(run)}",
        created=str(manifest.get("created", "")).replace("T", " ").replace("+00:00", " UTC"),
        verdict=verdict(measured, run.outcome),
        measured_on=measured.measured_on,
        facts=facts(run),
        rungs=ladder,
        rungs_note=_rungs_note(measured),
        charts=_comparison_charts(ladder),
        detection=sections.detection(measured),
        noise_sentence=sections.noise_sentence(run),
        classes=by_class(run),
        quality_charts=_quality_charts(run),
        suspects=worst(run),
        pruned=sections.pruned(run.outcome.plan),
        pruned_sentence=sections.pruned_sentence(run.outcome.plan),
        stages=sections.stages(run.outcome.cost),
        cost_sentence=sections.cost_sentence(run),
        notes=sections.notes(run),
        command=run.command,
        replay=sections.replay(manifest),
        config=sections.config(manifest),
    )


def rungs(run: Run) -> tuple[Rung, ...]:
    """Return the networks to compare: before, repaired, then the controls in their order."""
    measured = run.measured
    if measured.before is None:
        return ()
    found = [_rung("network" if measured.after is None else "before", "before", measured.before, None, None)]
    if measured.after is not None:
        found.append(_rung("repaired", "after", measured.after, run.outcome.cost, measured.full))
    found += [
        _rung(name, "control", each.scores, each.cost, measured.full)
        for name, each in measured.controls.items()
    ]
    return tuple(found)


def facts(run: Run) -> tuple[Fact, ...]:
    """Return the few numbers to see first."""
    measured, split = run.measured, run.outcome.partition
    before, after = measured.before, measured.after
    found = []
    if before is not None and after is None:
        found.append(Fact("Accuracy", percent(before.accuracy)))
    elif before is not None and after is not None:
        change = f"{points(after.accuracy - before.accuracy)} points, was {percent(before.accuracy)}"
        found.append(Fact("Accuracy after repair", percent(after.accuracy), change))
    if split is not None:
        found.append(Fact("Estimated noise", percent(split.noise_rate), "of the labels or inputs"))
        set_aside = int((~split.kept).sum())
        found.append(Fact("Kept", percent(split.kept_share), f"{count(set_aside)} samples set aside"))
    part = None if measured.full is None else share(run.outcome.cost, measured.full)["flops"]
    if part is not None:
        found.append(Fact("Cost", percent(part), "of one full training, in operations"))
    return tuple(found)


def _subject(run: Run) -> str:
    data = run.config.get("data")
    return str(data) if data else str(run.samples.kind)


def _rung(name: str, role: str, scores: Scores, cost: Cost | None, full: Cost | None) -> Rung:
    parts = {"flops": None, "seconds": None} if cost is None or full is None else share(cost, full)
    return Rung(
        name=name,
        role="before" if role == "before" else "after" if role == "after" else "control",
        accuracy=scores.accuracy,
        interval=scores.interval,
        macro_f1=scores.macro_f1,
        seconds=None if cost is None else cost.seconds,
        flops=None if cost is None else cost.flops,
        share=parts["flops"],
        seconds_share=parts["seconds"],
    )


def _rungs_note(measured: Measured) -> str:
    if measured.before is None:
        return "No test data were given, so nothing was measured."
    estimated = (
        " Shares are estimated: the training recipe is not known." if measured.full_is_estimated else ""
    )
    oracle = (
        " The oracle knows the true labels; it is a ceiling, not a rival."
        if "oracle" in measured.controls
        else ""
    )
    controls = (
        " The cost of a control is its own, and no part of the cost of the repair."
        if measured.controls
        else ""
    )
    where = "test samples" if measured.measured_on == ON_TEST else "held-out samples with their noisy labels"
    return f"Measured on {count(measured.before.n)} {where}.{controls}{oracle}{estimated}"


def _comparison_charts(ladder: tuple[Rung, ...]) -> tuple[Chart, ...]:
    if len(ladder) < 2:
        return ()
    against_cost = charts.accuracy_against_cost(ladder)
    bars = charts.accuracy_bars(ladder)
    return (bars,) if against_cost is None else (bars, against_cost)


def _quality_charts(run: Run) -> tuple[Chart, ...]:
    split, calibration = run.outcome.partition, run.measured.calibration
    if split is None:
        return ()
    histogram = charts.quality_histogram(split.quality.cpu().numpy(), split.kept.cpu().numpy())
    return (histogram,) if calibration is None else (histogram, charts.calibration_curve(calibration))
