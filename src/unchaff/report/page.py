"""One page that needs nothing beside itself."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources

import jinja2
from markupsafe import Markup

from unchaff.report import words
from unchaff.report.build import view_of
from unchaff.report.views import BenchView, Chart, PageView
from unchaff.runs.record import Run

RUN, BENCH = "report.html.j2", "bench.html.j2"


@dataclass(frozen=True)
class _PackageFiles:
    """Reads templates from the package, also when it is zipped."""

    folder: str = "templates"

    def __call__(self, name: str) -> str:
        return resources.files("unchaff.report").joinpath(self.folder, name).read_text(encoding="utf-8")


def page(run: Run, manifest: Mapping[str, object]) -> str:
    """Return `report.html` of a run."""
    return render(view_of(run, manifest))


def render(view: PageView | BenchView) -> str:
    """Return the page; every text in the view is escaped."""
    files = _PackageFiles()
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(files),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
    )
    environment.filters.update(
        percent=words.percent,
        points=words.points,
        seconds=words.seconds,
        flops=words.flops,
        count=words.count,
        quality=words.quality,
    )
    environment.globals["drawn"] = _drawn
    template = environment.get_template(RUN if isinstance(view, PageView) else BENCH)
    return template.render(view=view, style=Markup(files("style.css")))  # noqa: S704


def _drawn(chart: Chart) -> Markup:
    return Markup(chart.svg)  # noqa: S704  # made by matplotlib, which escapes its texts
