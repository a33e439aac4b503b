"""A matplotlib figure as SVG that belongs to the page: its colours, its fonts, no outside names."""

import io
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from unchaff.report.words import visible

# Drawn in these colours, then exchanged for the page's own, which follow light and dark.
INK, MUTED, LINE, GOOD, BAD, PLAIN = "#010101", "#020202", "#030303", "#040404", "#050505", "#060606"
COLOURS: Mapping[str, str] = MappingProxyType(
    {
        INK: "var(--ink)",
        MUTED: "var(--muted)",
        LINE: "var(--line)",
        GOOD: "var(--good)",
        BAD: "var(--bad)",
        PLAIN: "var(--plain)",
    }
)
DASHED = (0, (4, 3))  # a line, in points
SIZE = (4.7, 2.8)  # inches: near its size on the page, so that letters stay readable
STYLE: Any = {  # matplotlib's own type for this differs between its versions
    "svg.fonttype": "none",
    "svg.hashsalt": "unchaff",
    "font.size": 9.5,
    "font.family": "sans-serif",
    "axes.edgecolor": LINE,
    "axes.labelcolor": MUTED,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": LINE,
    "grid.linewidth": 0.6,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "text.color": INK,
    "text.parse_math": False,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "legend.frameon": False,
    "legend.labelcolor": INK,
}


@contextmanager
def drawing(height: float = SIZE[1]) -> Iterator[tuple[Figure, Axes]]:
    """Give an empty figure in our style; the caller's own style comes back afterwards."""
    with mpl.rc_context(STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # letters are drawn by the reader's own fonts
        figure = Figure(figsize=(SIZE[0], height), layout="constrained")
        yield figure, figure.subplots()


def inline(figure: Figure, name: str, label: str) -> str:
    """Return the figure as an `<svg>` element.

    Args:
        figure: drawn within `drawing`.
        name: goes before every id, so that several figures can share a page.
        label: what a person who cannot see it is told.
    """
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'\s(xmlns(:\w+)?)="[^"]*"', "", text).replace("xlink:href", "href")
    text = re.sub(r'\bid="', f'id="{name}-', text)
    text = text.replace('href="#', f'href="#{name}-').replace("url(#", f"url(#{name}-")
    text = re.sub(r"font: ([\d.]+)px [^;\"]*", r"font-size: \1px", text)
    text = re.sub(r"font-family: [^;\"]*;? ?", "", text)
    for drawn, own in COLOURS.items():
        text = text.replace(drawn, own)
    head = re.match(r"<svg[^>]*>", text)
    box = re.search(r'viewBox="[^"]*"', text)
    if head is None or box is None:
        return ""
    return f'<svg {box[0]} role="img" aria-label="{_escaped(visible(label))}">{text[head.end() :].strip()}'


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
