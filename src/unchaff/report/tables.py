"""The tables of a page, as cells; the page of a run and those that compare share them."""

from collections.abc import Sequence

import numpy as np

from unchaff.evaluate.calibration import Calibration
from unchaff.evaluate.detection import Detection
from unchaff.listed import listed
from unchaff.records import Cost, PrunePlan
from unchaff.report.views import Rung, Table
from unchaff.report.words import MINUS, NONE, count, flops, percent, points, seconds
from unchaff.runs.told import Told

MOST_UNITS = 24  # named per layer
CONFUSIONS = 3  # named per class


def comparison(rungs: Sequence[Rung]) -> Table | None:
    """Return networks with their accuracies and costs; None where nothing was measured."""
    if not rungs:
        return None
    headings = (
        "network",
        "accuracy",
        "95\u00a0% interval",
        "macro F1",
        "against before",
        "time",
        "operations",
        "share of a full training",
    )
    rows = tuple(_rung(rung, rungs[0]) for rung in rungs)
    ours = tuple(rung.name for rung in rungs if rung.role == "after")
    return Table("Comparison of networks", headings, rows, ours, strong=1)


def _rung(rung: Rung, first: Rung) -> tuple[str, ...]:
    low, high = rung.interval
    return (
        rung.name,
        percent(rung.accuracy),
        f"{percent(low)} \u2013 {percent(high)}",
        f"{rung.macro_f1:.3f}",
        NONE if rung.role == "before" else points(rung.accuracy - first.accuracy),
        NONE if rung.seconds is None else seconds(rung.seconds),
        flops(rung.flops) if rung.flops else NONE,
        NONE if rung.share is None else percent(rung.share),
    )


def detection(found: Detection | None, calibration: Calibration | None = None) -> Table | None:
    """Return how well the noisy samples were found; None where the truth is not known."""
    if found is None:
        return None
    rows = [
        ("AUROC", f"{found.auroc:.3f}", "of the ranking by quality; 0.5 is chance, 1 is perfect"),
        ("AUPRC", f"{found.auprc:.3f}", f"of the ranking; chance is {found.noise_rate:.3f}"),
        ("F1", f"{found.f1:.3f}", "of the decided split"),
        ("Precision", percent(found.precision), "of the samples set aside are noisy"),
        ("Recall", percent(found.recall), "of the noisy samples are set aside"),
        ("Kept and right", percent(found.kept_precision), "of the kept samples are right"),
        (
            "Missed at the true rate",
            percent(found.fnr_at_rate),
            f"of the noisy are not among the {count(found.num_noisy)} samples of lowest quality",
        ),
        (
            "True noise rate",
            percent(found.noise_rate),
            f"{count(found.num_noisy)} of {count(found.n)} samples",
        ),
    ]
    if calibration is not None:
        error = f"{calibration.error:.3f}"
        rows.append(("Calibration error", error, "mean gap between quality and being right"))
    headings = ("measure", "value", "meaning")
    return Table("Detection of noisy samples", headings, tuple(rows), words=(2,), strong=1)


def classes(run: Told) -> Table | None:
    """Return how much of each class is kept, and what its rejected samples look like."""
    split = run.outcome.partition
    if split is None:
        return None
    labels, kept, suggested = run.labels.numpy(), split.kept.numpy(), run.suggested.numpy()
    rows = []
    for label, name in enumerate(run.class_names):
        here = labels == label
        number, stays = int(here.sum()), int((here & kept).sum())
        others = suggested[here & ~kept]
        votes = np.bincount(others[others != label], minlength=len(run.class_names))
        share = percent(stays / number) if number else NONE
        likely = _likely(votes, run.class_names)
        rows.append((name, count(number), count(stays), count(number - stays), share, likely))
    headings = ("labelled as", "samples", "kept", "set aside", "share kept", "set aside look most like")
    return Table("Kept and set aside by class", headings, tuple(rows), words=(5,))


def _likely(votes: "np.ndarray[tuple[int], np.dtype[np.int64]]", names: Sequence[str]) -> str:
    most = np.argsort(-votes, kind="stable")[:CONFUSIONS]
    return ", ".join(f"{names[label]} ({count(int(votes[label]))})" for label in most if votes[label]) or NONE


def pruned(plan: PrunePlan | None) -> Table | None:
    """Return the silenced units by layer; None where there are none."""
    if plan is None or not plan.units:
        return None
    rows = []
    for layer, units in plan.by_layer().items():
        own = [unit.sensitivity for unit in plan.units if unit.layer == layer]
        named = listed(units, MOST_UNITS)
        rows.append((layer, str(len(units)), f"{max(own, key=abs):+.3f}".replace("-", MINUS), named))
    headings = ("layer", "silenced", "strongest sensitivity", "units")
    return Table("Pruned units by layer", headings, tuple(rows), words=(3,))


def stages(cost: Cost, judging: Cost | None) -> Table:
    """Return what each stage took, the whole, and apart from it the judging of held-out rows."""
    costs = {**cost.stages, "all": cost}
    if judging is not None:
        costs["apart: hold-out"] = judging
    rows = tuple(
        (name, seconds(each.seconds), count(each.samples_seen), flops(each.flops))
        for name, each in costs.items()
    )
    return Table("Cost by stage", ("stage", "time", "samples seen", "operations"), rows, ours=("all",))
