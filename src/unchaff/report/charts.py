"""Accuracies, and what they cost."""

from collections.abc import Sequence

from matplotlib.axes import Axes

from unchaff.report.svg import GOOD, INK, MUTED, PLAIN, drawing, inline
from unchaff.report.views import Chart, Rung
from unchaff.report.words import percent, visible

COLOUR = {"before": INK, "after": GOOD, "control": PLAIN}
NUM_COLUMNS = 5  # names of points in one column must not lie on each other
LETTER = 0.075  # height of a name in a chart, as a share of the axis


def accuracy_bars(rungs: Sequence[Rung]) -> Chart:
    """Draw each accuracy with its interval."""
    caption = "Bars are 95 % intervals; where two overlap, their order may be chance."
    told = "; ".join(f"{rung.name} {percent(rung.accuracy)}" for rung in rungs)
    with drawing(height=0.9 + 0.36 * max(len(rungs), 3)) as (figure, axes):
        for place, rung in enumerate(rungs):
            low, high = rung.interval
            colour = COLOUR[rung.role]
            axes.plot([low * 100, high * 100], [place, place], color=colour, linewidth=2, alpha=0.55)
            axes.plot([rung.accuracy * 100], [place], "o", color=colour, markersize=7)
        axes.set_yticks(range(len(rungs)), [_short(rung.name) for rung in rungs])
        axes.set(xlabel="accuracy, %", ylim=(len(rungs) - 0.4, -0.6))
        axes.grid(visible=False, axis="y")
        axes.tick_params(axis="y", length=0, labelcolor=INK)
        axes.spines["left"].set_visible(False)
        return Chart(inline(figure, "accuracy", f"Accuracy. {told}."), "Accuracy", caption)


def accuracy_against_cost(rungs: Sequence[Rung]) -> Chart | None:
    """Draw what each accuracy cost; None where fewer than two costs are known."""
    priced = [rung for rung in rungs if rung.flops]
    if len(priced) < 2:
        return None
    shared = all(rung.share is not None for rung in priced)
    costs = [(rung.share or 0) * 100 if shared else rung.flops or 0 for rung in priced]
    unit = "cost, % of the operations of one full training" if shared else "cost, operations"
    told = "; ".join(
        f"{rung.name} {percent(rung.accuracy)} for {cost:.3g}"
        for rung, cost in zip(priced, costs, strict=True)
    )
    with drawing() as (figure, axes):
        for rung, cost in zip(priced, costs, strict=True):
            is_ours = rung.role == "after"
            place = ([cost], [rung.accuracy * 100])
            axes.plot(*place, "o", color=COLOUR[rung.role], markersize=7, zorder=4 if is_ours else 3)
        start = next((rung.accuracy for rung in rungs if rung.role == "before"), None)
        if start is not None:
            axes.axhline(start * 100, color=MUTED, linewidth=1, linestyle=(0, (4, 3)))
        axes.set(xlabel=unit, ylabel="accuracy, %")
        axes.set_xlim(0, max(costs) * 1.35)
        axes.margins(y=0.15)
        _named(axes, costs, priced)
        caption = "Up and to the left is better; the dashed line is the network before."
        label = f"Accuracy against {unit}. {told}."
        return Chart(inline(figure, "cost", label), "Accuracy against cost", caption)


def _named(axes: Axes, costs: Sequence[float], rungs: Sequence[Rung]) -> None:
    """Write each name beside its point."""
    heights = [rung.accuracy * 100 for rung in rungs]
    low, high = axes.get_ylim()
    places = dict(enumerate(heights))
    for inside in columns(costs, max(costs) / NUM_COLUMNS):
        apart = spread([heights[index] for index in inside], (high - low) * LETTER)
        places.update(zip(inside, apart, strict=True))
    for index, rung in enumerate(rungs):
        axes.annotate(
            _short(rung.name),
            (costs[index], places[index]),
            xytext=(8, 0),
            textcoords="offset points",
            verticalalignment="center",
            color=GOOD if rung.role == "after" else INK,
            fontsize=9,
        )


def columns(costs: Sequence[float], width: float) -> list[list[int]]:
    """Return the indices of costs that lie within `width` of the first of their group.

    >>> columns([0.25, 1.0, 0.26], width=0.2)
    [[0, 2], [1]]
    """
    groups: list[list[int]] = []
    for index in sorted(range(len(costs)), key=costs.__getitem__):
        if groups and costs[index] - costs[groups[-1][0]] < width:
            groups[-1].append(index)
        else:
            groups.append([index])
    return groups


def spread(heights: Sequence[float], gap: float) -> list[float]:
    """Move heights apart to at least `gap`, in their order; groups stay centred where they were.

    >>> spread([1.0, 5.0, 1.0], gap=1.0)
    [0.5, 5.0, 1.5]
    """
    groups: list[list[int]] = []
    for index in sorted(range(len(heights)), key=heights.__getitem__):
        groups.append([index])
        while len(groups) > 1 and _top(groups[-2], heights, gap) + gap > _bottom(groups[-1], heights, gap):
            last = groups.pop()
            groups[-1] += last
    moved = list(heights)
    for group in groups:
        start = _bottom(group, heights, gap)
        for step, index in enumerate(group):
            moved[index] = start + step * gap
    return moved


def _bottom(group: Sequence[int], heights: Sequence[float], gap: float) -> float:
    return sum(heights[index] for index in group) / len(group) - gap * (len(group) - 1) / 2


def _top(group: Sequence[int], heights: Sequence[float], gap: float) -> float:
    return _bottom(group, heights, gap) + gap * (len(group) - 1)


def _short(name: str, most: int = 24) -> str:
    plain = visible(" ".join(name.split()))
    return plain if len(plain) <= most else f"{plain[: most - 1]}\u2026"
