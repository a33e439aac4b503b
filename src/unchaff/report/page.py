"""One page that needs nothing beside itself."""

from dataclasses import dataclass
from importlib import resources

import jinja2
from markupsafe import Markup

from unchaff.report import words
from unchaff.report.build import view_of
from unchaff.report.suspects import Gallery
from unchaff.report.views import Chart, ComparisonView, PageView
from unchaff.runs.told import Told
from unchaff.samples import Samples

RUN, COMPARISON = "report.html.j2", "comparison.html.j2"
NOT_SHOWN = "Samples are named and not shown"


@dataclass(frozen=True)
class _PackageFiles:
    """Reads templates from the package, also when it is zipped."""

    folder: str = "templates"

    def __call__(self, name: str) -> str:
        return resources.files("unchaff.report").joinpath(self.folder, name).read_text(encoding="utf-8")


def page(run: Told, samples: Samples | None, missing: str = "") -> str:
    """Return `report.html`, made from the other files of a run folder: the same files, the same page.

    Args:
        run: what they tell.
        samples: to look at and listen to; None where they cannot be read any more.
        missing: why they cannot.
    """
    return render(view_of(run, Gallery(samples, missing)))


def is_page(text: str) -> bool:
    """Whether a file is a page of ours."""
    return text.startswith("<!doctype html>") and "<title>unchaff: " in text


def shows_samples(text: str) -> bool:
    """Whether a page shows its samples, and does not only name them."""
    return '<ol class="suspects' in text and NOT_SHOWN not in text


def render(view: PageView | ComparisonView) -> str:
    """Return the page; every text in the view is escaped, and shows every character it has."""
    files = _PackageFiles()
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(files),
        autoescape=True,
        finalize=_seen,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
    )
    environment.filters.update(quality=words.quality)
    environment.globals.update(drawn=_drawn, not_shown=NOT_SHOWN)
    template = environment.get_template(RUN if isinstance(view, PageView) else COMPARISON)
    return template.render(view=view, style=Markup(files("style.css")))  # noqa: S704


def _seen(value: object) -> object:
    """Return what is put into a page: a name cannot turn around the words beside it."""
    return words.visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _drawn(chart: Chart) -> Markup:
    return Markup(chart.svg)  # noqa: S704  # made by matplotlib, which escapes its texts
