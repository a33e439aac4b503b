"""What a notebook shows of a run: the verdict, a few numbers, each network, each class, the quality."""

from collections.abc import Iterable, Sequence
from importlib import resources

from markupsafe import Markup

from unchaff.report.build import facts, rungs
from unchaff.report.splits import quality_histogram
from unchaff.report.tables import classes
from unchaff.report.views import Verdict
from unchaff.report.words import percent, visible
from unchaff.runs.told import Told

MOST_CLASSES = 20  # those of which most is set aside
NOTHING = "\u2013"


def html(run: Told, judged: Verdict) -> str:
    """Return a piece of a page that asks nobody for anything; every text in it is escaped."""
    split = run.outcome.partition
    parts = [
        Markup("<style>{}</style>").format(Markup(_style())),  # noqa: S704  a file of ours
        Markup("<p class='verdict'>{}</p>").format(judged.sentence),
        *(Markup("<p>{}</p>").format(detail) for detail in judged.details),
        _table(("", "", ""), [(fact.name, fact.value, fact.note) for fact in facts(run)]),
        _networks(run),
        _classes(run),
    ]
    if split is not None:
        chart = quality_histogram(split)
        told = Markup("<figure>{}<figcaption>{}</figcaption></figure>")
        parts.append(told.format(Markup(chart.svg), chart.caption))  # noqa: S704  matplotlib escapes its texts
    return str(Markup("<div class='unchaff'>{}</div>").format(Markup("\n").join(parts)))


def _networks(run: Told) -> Markup:
    rows = [
        (
            rung.name,
            percent(rung.accuracy),
            f"{percent(rung.interval[0])} to {percent(rung.interval[1])}",
            NOTHING if rung.share is None else percent(rung.share),
        )
        for rung in rungs(run)
    ]
    heads = ("network", "accuracy", "95 % interval", "cost, of one full training")
    return _table(heads, rows, caption=f"Measured on: {run.measured.measured_on}") if rows else Markup("")


def _classes(run: Told) -> Markup:
    table, split = classes(run), run.outcome.partition
    if table is None or split is None:
        return Markup("")
    set_aside = run.labels[~split.kept.cpu()].bincount(minlength=len(run.class_names))
    worst = set_aside.argsort(descending=True, stable=True)[:MOST_CLASSES].tolist()
    more = len(table.rows) - MOST_CLASSES
    caption = f"The {MOST_CLASSES} classes of which most is set aside; {more} more" if more > 0 else "Classes"
    return _table(table.headings, [table.rows[label] for label in worst], caption=caption)


def _table(headings: Sequence[str], rows: Sequence[Iterable[str]], *, caption: str = "") -> Markup:
    """Return a table; the first cell of each row names it. Without headings there is no head."""
    title = Markup("<caption>{}</caption>").format(caption) if caption else Markup("")
    head = Markup("").join(Markup("<th scope='col'>{}</th>").format(each) for each in headings)
    body = Markup("").join(_row(row) for row in rows)
    above = Markup("<thead><tr>{}</tr></thead>").format(head) if any(headings) else Markup("")
    return Markup("<table>{}{}<tbody>{}</tbody></table>").format(title, above, body)


def _row(cells: Iterable[str]) -> Markup:
    name, *others = cells
    rest = Markup("").join(Markup("<td>{}</td>").format(visible(each)) for each in others)
    return Markup("<tr><th scope='row'>{}</th>{}</tr>").format(visible(name), rest)


def _style() -> str:
    files = resources.files("unchaff.report").joinpath("templates", "notebook.css")
    return files.read_text(encoding="utf-8")
