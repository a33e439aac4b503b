"""`unchaff review`: a person decides about the suspects of a run."""

from contextlib import closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from unchaff.cli import options
from unchaff.cli.said import say

if TYPE_CHECKING:
    from unchaff.review.session import Review
    from unchaff.runs.read import RunFolder

EXAMPLE = "unchaff review run"


@dataclass(frozen=True, kw_only=True)
class Options(options.Common):
    """What `review` takes."""

    run: Annotated[Path, Argument(help="A run folder of repair or score.")]
    data: Annotated[
        str | None, Option(help="The data of the run, if they lie elsewhere now, or are pkg.module:factory.")
    ] = None
    export: Annotated[
        Path | None, Option(help="Write the decisions to this .parquet or .csv file, and open no page.")
    ] = None
    overwrite: Annotated[bool, Option("--overwrite", help="Replace that file if it exists.")] = False
    port: Annotated[int, Option(min=0, max=65535, help="Of this computer; 0: a free one.")] = 0
    host: Annotated[str, Option(help="Where to listen; others than 127.0.0.1 are seen from outside.")] = (
        "127.0.0.1"
    )
    no_browser: Annotated[bool, Option("--no-browser", help="Print the address, and open no browser.")] = (
        False
    )


def command(given: Options) -> int:
    """Decide in the browser about the suspects of a run, worst first: keep, drop or relabel.

    Each decision is stored at once in the run folder. unchaff repair --resume-from RUN --decisions acts on
    them; --export writes them as a table. Ctrl-C ends.
    """
    from unchaff.runs.read import read

    run = replace(read(given.run), data=given.data)
    if given.export is not None:
        return _export(run, given.export, overwrite=given.overwrite)
    return _serve(run, given)


def _export(run: "RunFolder", file: Path, *, overwrite: bool) -> int:
    from unchaff.review import written
    from unchaff.review.store import Store
    from unchaff.runs.write import check_export

    check_export(file, run.path, overwrite=overwrite, option="--export")
    with closing(Store.look(run.path, run.class_names)) as store:
        count = written.write(store, run, file)
    say(f"Written: {file}, {count} decisions.")
    return 0


def _serve(run: "RunFolder", given: Options) -> int:
    import webbrowser

    from unchaff.extras import library

    for name in ("starlette", "uvicorn"):
        library(name, extra="review", without="see the worst samples in report.html")
    from unchaff.review.server import HERE, Serving
    from unchaff.review.session import Review

    review = Review(run)
    with closing(review.store):
        serving = Serving.on(given.host, given.port)
        if given.host not in HERE:
            say(
                f"Warning: whoever can reach {given.host} and learns the address below can see the data "
                "and decide. What is sent is not encrypted.",
                err=True,
            )
        with suppress(KeyboardInterrupt), serving.answering(review) as answer:
            say(f"Review of {run.path}: {serving.url}")
            say("Ctrl-C ends; every decision is stored at once.")
            review.begin()
            if not given.no_browser:
                webbrowser.open(serving.url)
            answer()
        review.end()
    say(_ended(review))
    return 0


def _ended(review: "Review") -> str:
    folder, decided = review.run.path, review.suspects.progress().decided
    if not decided:
        return f"Nothing is decided yet. unchaff review {folder} opens the page again."
    again = f"unchaff repair --resume-from {folder} --decisions"
    return f"Decisions: {decided} in {review.file}. {again} acts on them."
