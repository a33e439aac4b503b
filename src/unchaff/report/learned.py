"""The data map: how surely each sample was learned, and how steadily."""

import numpy as np

from unchaff.report.svg import BAD, GOOD, drawing, inline
from unchaff.report.views import Chart, Table
from unchaff.report.words import count, number
from unchaff.runs.told import Learned, Told
from unchaff.streams import Streams

DRAWN = 1200  # points


def learned_sentence(learned: Learned | None) -> str:
    """Return what the map shows, or why there is none."""
    if learned is None:
        return "The training was not recorded, so it is not known how each sample was learned."
    return (
        f"Each point is a sample in {learned.epochs} recorded epochs: the higher, the more surely its label "
        "was learned; the further to the right, the more that changed from epoch to epoch. Wrong labels tend "
        "to be learned late, or never."
    )


def data_map(run: Told) -> Chart | None:
    """Draw mean margin against its spread; None where no sample was seen, or the training not recorded.

    Source: Swayamdipta et al., arXiv 2009.10795, with margins in place of probabilities.
    """
    learned = run.learned
    if learned is None:
        return None
    known = np.isin(learned.ids, run.ids) & np.isfinite(learned.margin)
    if not known.any():
        return None
    margin, spread = learned.margin[known], learned.spread[known]
    places = np.searchsorted(run.ids, learned.ids[known])
    split = run.outcome.partition
    kept = np.ones(len(margin), dtype=bool) if split is None else split.kept.numpy()[places]
    some = Streams(0).subset("data map", learned.ids[known], DRAWN)
    caption = f"Drawn: {count(len(some))} of {count(len(margin))} samples."
    if len(some) == len(margin):
        caption = f"All {count(len(margin))} samples of the training."
    with drawing(height=3.4) as (figure, axes):
        for which, colour, name in ((kept, GOOD, "kept"), (~kept, BAD, "set aside")):
            rows = some[which[some]]
            if len(rows):
                axes.plot(
                    spread[rows], margin[rows], "o", color=colour, markersize=3, alpha=0.55, mew=0, label=name
                )
        axes.set(xlabel="spread of the margin over epochs", ylabel="mean margin of the given label")
        axes.legend(loc="upper center", ncols=2, bbox_to_anchor=(0.5, 1.14), markerscale=2)
        svg = inline(figure, "map", f"Data map. {caption}")
    groups = (("kept", kept), ("set aside", ~kept))
    rows = tuple(
        (
            name,
            count(int(which.sum())),
            number(float(margin[which].mean())),
            number(float(spread[which].mean())),
        )
        for name, which in groups
        if which.any()
    )
    headings = ("samples that are", "number", "mean margin", "mean spread")
    return Chart(svg, "Data map", caption, Table("Data map in numbers", headings, rows))
