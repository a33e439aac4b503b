"""From what the files of a run tell to what the page shows."""

from unchaff.evaluate.accuracy import Scores
from unchaff.evaluate.cost import share
from unchaff.evaluate.metrics import ON_TEST, Measured
from unchaff.records import Cost
from unchaff.report import charts, found, learned, reviewed, sections, splits, suspects, tables
from unchaff.report.suspects import Gallery
from unchaff.report.verdict import verdict
from unchaff.report.views import Chart, Fact, PageView, Role, Rung
from unchaff.report.words import count, percent, points
from unchaff.runs.told import Told


def view_of(run: Told, gallery: Gallery) -> PageView:
    """Return all the page shows; every number is also in a file of the run folder."""
    measured, ladder, plan = run.measured, rungs(run), run.outcome.plan
    worst, driven = suspects.worst(run, gallery), suspects.units(run, gallery)
    return PageView(
        title=f"unchaff: {_subject(run)}",
        created=str(run.manifest.get("created", "")).replace("T", " ").replace("+00:00", " UTC"),
        verdict=verdict(measured, run.outcome),
        facts=facts(run),
        review_sentences=reviewed.review_sentences(run),
        review=reviewed.review_table(run),
        comparison=tables.comparison(ladder),
        comparison_note=_rungs_note(measured),
        comparison_charts=(charts.accuracy_bars(ladder),) if len(ladder) > 1 else (),
        noise_sentence=sections.noise_sentence(run),
        warnings=sections.warnings(run),
        classes=tables.classes(run),
        split_sentence=sections.split_sentence(run),
        split_charts=_split_charts(run),
        price_charts=_only(charts.accuracy_against_cost(ladder)),
        detection=tables.detection(measured.detection, measured.calibration),
        detection_charts=_detection_charts(measured),
        learned_sentence=learned.learned_sentence(run.learned),
        learned_charts=_only(learned.data_map(run)),
        suspects_sentence=suspects.suspects_sentence(run, len(worst)),
        suspects=worst,
        missing=gallery.missing,
        pruned_sentence=sections.pruned_sentence(plan),
        pruned=tables.pruned(plan),
        units_sentence=suspects.units_sentence(run),
        units=driven,
        cost_sentence=sections.cost_sentence(run),
        stages=tables.stages(run.outcome.cost, run.measured.judging),
        notes=sections.notes(run),
        command=run.command,
        replay=sections.replay(run),
        config=sections.config(run.manifest),
    )


def rungs(run: Told) -> tuple[Rung, ...]:
    """Return the networks to compare: before, repaired, then the controls in their order."""
    measured = run.measured
    if measured.before is None:
        return ()
    steps = [_rung("network" if measured.after is None else "before", "before", measured.before, None, None)]
    if measured.after is not None:
        steps.append(_rung("repaired", "after", measured.after, run.outcome.cost, measured.full))
    steps += [
        _rung(name, "control", each.scores, each.cost, measured.full)
        for name, each in measured.controls.items()
    ]
    return tuple(steps)


def facts(run: Told) -> tuple[Fact, ...]:
    """Return the few numbers to see first."""
    measured, split = run.measured, run.outcome.partition
    before, after = measured.before, measured.after
    known = []
    if before is not None and after is None:
        known.append(Fact("Accuracy", percent(before.accuracy)))
    elif before is not None and after is not None:
        change = f"{points(after.accuracy - before.accuracy)} points, was {percent(before.accuracy)}"
        name = "Accuracy" if split is not None and split.abstained else "Accuracy after repair"
        known.append(Fact(name, percent(after.accuracy), change))
    if measured.review is not None:
        known.append(reviewed.review_fact(measured.review))
    if split is not None:
        what = "of the samples, unfit to learn from" if split.threshold is None else "of the labels"
        known.append(Fact("Estimated noise", percent(split.noise_rate), what))
        set_aside = int((~split.kept).sum())
        known.append(Fact("Kept", percent(split.kept_share), f"{count(set_aside)} samples set aside"))
    part = None if measured.full is None else share(run.outcome.cost, measured.full)["flops"]
    if part is not None:
        known.append(Fact("Cost", percent(part), "of one full training, in operations"))
    return tuple(known)


def _subject(run: Told) -> str:
    config = run.manifest.get("config")
    data = config.get("data") if isinstance(config, dict) else None
    return str(data) if data else run.kind


def _rung(name: str, role: Role, scores: Scores, cost: Cost | None, full: Cost | None) -> Rung:
    parts = {"flops": None, "seconds": None} if cost is None or full is None else share(cost, full)
    return Rung(
        name=name,
        role=role,
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


def _only(chart: Chart | None) -> tuple[Chart, ...]:
    return () if chart is None else (chart,)


def _split_charts(run: Told) -> tuple[Chart, ...]:
    split = run.outcome.partition
    if split is None:
        return ()
    histogram = splits.quality_histogram(split)
    return (histogram,) if split.fitted is None else (histogram, splits.mixture(split.fitted, split))


def _detection_charts(measured: Measured) -> tuple[Chart, ...]:
    drawn: list[Chart] = []
    if measured.curve is not None and measured.detection is not None:
        drawn += found.found_curves(measured.curve, measured.detection)
    if measured.calibration is not None:
        drawn.append(splits.calibration_curve(measured.calibration))
    return tuple(drawn)
