"""Accuracies, and what they cost."""

from collections.abc import Sequence

from matplotlib.axes import Axes

from unchaff.report.svg import DASHED, GOOD, INK, MUTED, PLAIN, drawing, inline
from unchaff.report.views import Chart, Rung
from unchaff.report.words import percent, visible

COLOUR = {"before": INK, "after": GOOD, "control": PLAIN}
# In points: of a name and its letters, of a dot, and how far a name lies from its dot.
TALL, LETTER, DOT, AWAY = 11.0, 5.6, 5.0, 8.0
SIDE = 3.0  # how much further up or down a name on the right may lie before the left is taken
STEPS = tuple(2.0 * step for step in range(-40, 41))
FULL = 100  # per cent, above which there is no accuracy

Box = tuple[float, float, float, float]  # left, bottom, right, top


def accuracy_bars(rungs: Sequence[Rung]) -> Chart:
    """Draw each accuracy with its interval."""
    caption = "Bars are 95 % intervals; where two overlap, their order may be chance."
    told = "; ".join(f"{rung.name} {percent(rung.accuracy)}" for rung in rungs)
    with drawing(height=0.9 + 0.36 * max(len(rungs), 3)) as (figure, axes):
        for place, rung in enumerate(rungs):
            low, high = rung.interval
            colour = COLOUR[rung.role]
            axes.plot([low * 100, high * 100], [place, place], color=colour, linewidth=2)
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
            axes.plot(
                *place, "o", color=COLOUR[rung.role], markersize=7, zorder=5 if is_ours else 4, clip_on=False
            )
        start = next((rung.accuracy for rung in rungs if rung.role == "before"), None)
        if start is not None:
            axes.axhline(start * 100, color=MUTED, linewidth=1, linestyle=DASHED)
        axes.set(xlabel=unit, ylabel="accuracy, %")
        axes.set_xlim(0, max(costs) * 1.35)
        axes.margins(y=0.15)
        low, high = axes.get_ylim()
        axes.set_ylim(max(0, low), min(FULL, high))
        _named(axes, costs, priced, None if start is None else start * 100)
        caption = "Up and to the left is better; the dashed line is the network before."
        label = f"Accuracy against {unit}. {told}."
        return Chart(inline(figure, "cost", label), "Accuracy against cost", caption)


def _named(axes: Axes, costs: Sequence[float], rungs: Sequence[Rung], level: float | None) -> None:
    """Write each name beside its point, and a thin line to those that had to move away.

    Args:
        axes: with the points drawn.
        costs: of the rungs.
        rungs: the points.
        level: accuracy at which a line is drawn.
    """
    axes.figure.draw_without_rendering()  # type: ignore[union-attr]  # decides where the axes are
    points, names = 72 / axes.figure.dpi, [_short(rung.name) for rung in rungs]
    places = [(cost, rung.accuracy * 100) for cost, rung in zip(costs, rungs, strict=True)]
    left, bottom, right, top = (float(each) * points for each in axes.get_window_extent().extents)
    placed = beside(
        [(x, y) for x, y in (axes.transData.transform(places) * points).tolist()],
        [len(name) * LETTER for name in names],
        area=(left, bottom, right, top),
        level=None if level is None else float(axes.transData.transform((0, level))[1]) * points,
    )
    for name, rung, place, (along, up) in zip(names, rungs, places, placed, strict=True):
        axes.annotate(
            name,
            place,
            xytext=(along, up),
            textcoords="offset points",
            verticalalignment="center",
            color=GOOD if rung.role == "after" else INK,
            fontsize=9,
            zorder=6,
            arrowprops=_thread(is_right=along > 0) if abs(up) > TALL / 2 else None,
        )


def _thread(*, is_right: bool) -> dict[str, object]:
    """Return how a name that had to move away is tied to its dot: by its nearer end."""
    end = (0.0 if is_right else 1.0, 0.5)
    return {"arrowstyle": "-", "color": MUTED, "linewidth": 0.6, "shrinkA": 0, "relpos": end}


def beside(
    dots: Sequence[tuple[float, float]], widths: Sequence[float], *, area: Box, level: float | None
) -> list[tuple[float, float]]:
    """Return where each name begins, off its dot: as near as there is room for it.

    A name lies on no dot, no other name and not on the line at `level`, where the area has room enough.

    Args:
        dots: their middles; all sizes are in points.
        widths: of the names.
        area: all of it.
        level: height of a line across the area.

    >>> beside([(10, 50), (60, 50)], [20, 20], area=(0, 0, 100, 100), level=None)
    [(8.0, 0.0), (8.0, 0.0)]
    """
    taken: list[Box] = [(x - DOT, y - DOT, x + DOT, y + DOT) for x, y in dots]
    if level is not None:
        taken.append((area[0], level - 1, area[2], level + 1))
    found: dict[int, tuple[float, float]] = {}
    for index in sorted(range(len(dots)), key=lambda each: -dots[each][1]):
        x, y = dots[index]
        moves = [(left, up) for up in STEPS for left in (AWAY, -AWAY - widths[index])]
        boxes = {move: _box(x, y, move, widths[index]) for move in moves}
        free = [move for move in moves if _fits(boxes[move], taken, area)]
        found[index] = min(free or moves, key=lambda move: abs(move[1]) + (0 if move[0] > 0 else SIDE))
        taken.append(boxes[found[index]])
    return [found[index] for index in range(len(dots))]


def _box(x: float, y: float, move: tuple[float, float], width: float) -> Box:
    left, middle = x + move[0], y + move[1]
    return left, middle - TALL / 2, left + width, middle + TALL / 2


def _fits(box: Box, taken: Sequence[Box], area: Box) -> bool:
    is_inside = area[0] <= box[0] and box[2] <= area[2] and area[1] <= box[1] and box[3] <= area[3]
    return is_inside and not any(
        box[0] < other[2] and other[0] < box[2] and box[1] < other[3] and other[1] < box[3] for other in taken
    )


def _short(name: str, most: int = 24) -> str:
    plain = visible(" ".join(name.split()))
    return plain if len(plain) <= most else f"{plain[: most - 1]}\u2026"
