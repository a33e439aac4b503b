"""How the split was made: quality with its line, the mixture where one was fitted, and calibration."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from unchaff.evaluate.calibration import Calibration
from unchaff.records import Fitted, Partition
from unchaff.report.svg import BAD, DASHED, GOOD, INK, MUTED, PLAIN, drawing, inline
from unchaff.report.views import Chart, Table
from unchaff.report.words import count, percent

NUM_BINS = 40
TABLE_BINS = 10


def quality_histogram(split: Partition) -> Chart:
    """Draw how quality is distributed, what was kept of it, and where the rule draws its line."""
    quality, kept = split.quality.cpu().numpy(), split.kept.cpu().numpy()
    edges = np.linspace(0, 1, NUM_BINS + 1)
    caption = (
        f"{count(int(kept.sum()))} of {count(len(kept))} samples are kept, "
        f"{count(int((~kept).sum()))} are set aside.{_line(split, quality, kept)}"
    )
    groups = [(quality[~kept], BAD, "set aside"), (quality[kept], GOOD, "kept")]
    values, colours, names = zip(*(group for group in groups if len(group[0])), strict=True)
    with drawing() as (figure, axes):
        axes.hist(
            values,
            bins=edges.tolist(),
            stacked=True,
            color=colours,
            label=names,
            rwidth=0.86,
        )
        if split.threshold is not None:
            _marked(axes, split.threshold, f"kept above {split.threshold:g}")
        axes.set(xlabel="quality", ylabel="samples", xlim=(0, 1))
        axes.grid(visible=False, axis="x")
        axes.legend(loc="upper center", ncols=3, bbox_to_anchor=(0.5, 1.16), columnspacing=1.2)
        svg = inline(figure, "quality", f"Histogram of quality. {caption}")
    return Chart(svg, "Quality and split", caption, _counts(quality, kept))


def _marked(axes: Axes, place: float, name: str) -> None:
    axes.axvline(place, color=INK, linewidth=1.2, linestyle=DASHED, label=name)


def _line(split: Partition, quality: NDArray[np.float32], kept: NDArray[np.bool_]) -> str:
    """Return what is on the other side of the line, and why."""
    if split.abstained:
        return " No line was drawn, for there is no evidence of noise."
    if split.threshold is None:
        return " The rule draws no single line through quality: inputs and labels were judged apart."
    below = int((kept & (quality <= split.threshold)).sum())
    above = int((~kept & (quality > split.threshold)).sum())
    told = ""
    if below:
        told += f" {count(below)} below the line are kept all the same, so that no class vanishes or starves."
    if above:
        told += f" {count(above)} above it are set aside: held-out samples follow a curve of their own."
    return told


def _counts(quality: NDArray[np.float32], kept: NDArray[np.bool_]) -> Table:
    edges = np.linspace(0, 1, TABLE_BINS + 1)
    kept_counts, others = (np.histogram(quality[which], bins=edges)[0] for which in (kept, ~kept))
    rows = tuple(
        (f"{low:.1f} \u2013 {high:.1f}", count(int(stays)), count(int(goes)))
        for low, high, stays, goes in zip(edges, edges[1:], kept_counts, others, strict=False)
    )
    return Table("Quality in numbers", ("quality", "kept", "set aside"), rows)


def mixture(fitted: Fitted, split: Partition) -> Chart:
    """Draw the evidence with the two Gaussians that the rule fitted to it."""
    edges, counts = np.asarray(fitted.edges), np.asarray(fitted.counts)
    step, total = float(edges[1] - edges[0]), int(counts.sum())
    places = np.linspace(edges[0], edges[-1], 200)
    curves = [hump.share * total * step * _normal(places, hump.mean, hump.deviation) for hump in fitted.humps]
    caption = (
        "Bars are the evidence, the curves the mixture fitted to it. Quality is the share of the upper one."
    )
    if split.threshold is not None:
        caption += f" Kept where that is above {split.threshold:g}."
    with drawing() as (figure, axes):
        axes.bar(edges[:-1], counts, width=step * 0.86, align="edge", color=MUTED)
        names = ("lower", "upper")
        for curve, colour, name in zip(curves, (BAD, GOOD), names, strict=False):
            axes.plot(places, curve, color=colour, linewidth=1.8, label=name)
        axes.plot(places, np.sum(curves, axis=0), color=INK, linewidth=1, linestyle=DASHED, label="both")
        axes.set(xlabel="evidence", ylabel="samples", xlim=(edges[0], edges[-1]))
        axes.set_ylim(0, 1.15 * max(1, int(counts.max())))
        axes.grid(visible=False, axis="x")
        axes.legend(loc="upper center", ncols=3, bbox_to_anchor=(0.5, 1.16))
        svg = inline(figure, "mixture", f"Evidence and the mixture fitted to it. {caption}")
    rows = tuple(
        (name, percent(hump.share), f"{hump.mean:.3f}", f"{hump.deviation:.3f}")
        for name, hump in zip(names, fitted.humps, strict=False)
    )
    numbers = Table("The mixture in numbers", ("component", "share", "mean", "deviation"), rows)
    return Chart(svg, "The fitted mixture", caption, numbers)


def _normal(places: NDArray[np.float64], mean: float, deviation: float) -> NDArray[Any]:
    width = max(deviation, 1e-12)
    return np.exp(-0.5 * ((places - mean) / width) ** 2) / (width * np.sqrt(2 * np.pi))


def calibration_curve(calibration: Calibration) -> Chart:
    """Draw how often samples of each quality were right."""
    filled = [each for each in calibration.bins if each.count]
    largest = max(each.count for each in filled)
    caption = f"On the line, quality means what it says. Expected error {calibration.error:.3f}."
    with drawing() as (figure, axes):
        axes.plot([0, 1], [0, 1], color=MUTED, linewidth=1.2)
        axes.plot([b.quality for b in filled], [b.right_share for b in filled], color=PLAIN, linewidth=1.2)
        axes.scatter(
            [b.quality for b in filled],
            [b.right_share for b in filled],
            s=[14 + 90 * each.count / largest for each in filled],
            color=PLAIN,
        )
        axes.set(xlabel="quality", ylabel="share that is right", xlim=(-0.03, 1.03), ylim=(-0.03, 1.03))
        svg = inline(figure, "calibration", f"Calibration. {caption}")
    rows = tuple(
        (
            f"{each.low:.2f} \u2013 {each.high:.2f}",
            count(each.count),
            f"{each.quality:.3f}",
            percent(each.right_share),
        )
        for each in filled
    )
    numbers = Table("Calibration in numbers", ("quality", "samples", "mean quality", "right"), rows)
    return Chart(svg, "Calibration", caption, numbers)
