"""How fast the noisy samples are found, where the truth is known."""

import numpy as np

from unchaff.evaluate.curves import Curve
from unchaff.evaluate.detection import Detection
from unchaff.report.svg import DASHED, GOOD, LINE, MUTED, drawing, inline
from unchaff.report.views import Chart, Table
from unchaff.report.words import percent

INSPECTED = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0)
ALARMS = (0.001, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5)


def found_curves(curve: Curve, detection: Detection) -> tuple[Chart, ...]:
    """Draw found against inspected, and the ROC curve."""
    return found_against_inspected(curve, detection.noise_rate), roc(curve, detection.auroc)


def found_against_inspected(curve: Curve, rate: float) -> Chart:
    """Draw the share of the noisy samples found by looking at the worst first."""
    half = float(np.interp(rate, curve.inspected, curve.found))
    caption = (
        f"Looking at the worst {percent(rate)} (as many as are noisy) finds {percent(half)} of the noisy "
        f"samples; looking in any order would find {percent(rate)} of them."
    )
    with drawing() as (figure, axes):
        axes.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle=DASHED, label="chance")
        axes.plot([0, rate, 1], [0, 1, 1], color=MUTED, linewidth=1, label="perfect")
        axes.plot(curve.inspected, curve.found, color=GOOD, linewidth=2, label="by quality")
        axes.set(xlabel="share inspected, worst first", ylabel="share of the noisy found")
        axes.set(xlim=(0, 1), ylim=(0, 1.03))
        axes.legend(loc="lower right")
        svg = inline(figure, "found", f"Found against inspected. {caption}")
    rows = tuple(
        (
            percent(share, 0),
            percent(float(np.interp(share, curve.inspected, curve.found))),
            percent(share),
            percent(min(1.0, share / rate)),
        )
        for share in INSPECTED
    )
    headings = ("inspected", "found", "by chance", "at best")
    return Chart(svg, "Found against inspected", caption, Table("Found against inspected", headings, rows))


def roc(curve: Curve, area: float) -> Chart:
    """Draw hits against false alarms for every line through quality."""
    caption = f"The area under the curve is {area:.3f}; on the dashed line it is 0.5."
    with drawing() as (figure, axes):
        axes.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle=DASHED)
        axes.fill_between(curve.false_alarms, curve.found, color=LINE, alpha=0.6, linewidth=0)
        axes.plot(curve.false_alarms, curve.found, color=GOOD, linewidth=2)
        axes.set(xlabel="share of the right ones set aside", ylabel="share of the noisy set aside")
        axes.set(xlim=(0, 1), ylim=(0, 1.03))
        svg = inline(figure, "roc", f"ROC curve. {caption}")
    rows = tuple((percent(share), percent(float(np.interp(share, *_rising(curve))))) for share in ALARMS)
    return Chart(svg, "ROC curve", caption, Table("ROC curve", ("false alarms", "hits"), rows))


def _rising(curve: Curve) -> tuple[list[float], list[float]]:
    """Return the highest share of hits for each share of false alarms."""
    best = dict(zip(curve.false_alarms, curve.found, strict=True))  # the last of equal ones is the highest
    return list(best), list(best.values())
