"""`unchaff report`: the page of a run, made again from its files."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from unchaff.cli import options
from unchaff.cli.said import say

if TYPE_CHECKING:
    from unchaff.runs.read import RunFolder
    from unchaff.samples import Samples

EXAMPLE = "unchaff report run"


@dataclass(frozen=True, kw_only=True)
class Options(options.Common):
    """What `report` takes."""

    run: Annotated[Path, Argument(help="A run folder.")]
    data: Annotated[
        str | None, Option(help="The data of the run, if they lie elsewhere now, or are pkg.module:factory.")
    ] = None
    out: Annotated[Path | None, Option(help="The file to write; report.html in the run folder without.")] = (
        None
    )
    overwrite: Annotated[
        bool, Option("--overwrite", help="Replace a page that shows samples by one that cannot.")
    ] = False


def command(given: Options) -> int:
    """Make report.html again, from a run folder and its data.

    Where the data were moved or changed, samples are named and not shown; a page that shows them is not
    replaced by such a one without --overwrite.
    """
    from unchaff.errors import RunFolderError
    from unchaff.report.page import NOT_SHOWN, page, shows_samples
    from unchaff.runs.layout import REPORT
    from unchaff.runs.read import read
    from unchaff.runs.told import told
    from unchaff.whole import put

    run = replace(read(given.run), data=given.data)
    found = told(run)  # a broken file is said before anything about the data
    file = given.out or given.run.expanduser() / REPORT
    _check_place(file, run, overwrite=given.overwrite)
    samples, missing = shown(run)
    if missing:
        advice = "" if given.data else " If the data lie in files, or elsewhere now, name them with --data."
        if file.is_file() and not given.overwrite and shows_samples(file.read_text(errors="replace")):
            raise RunFolderError(
                f"{missing}{advice} {file} shows the samples, and a page without them would replace it. "
                "Choose another --out, or give --overwrite."
            )
        say(f"{NOT_SHOWN}: {missing}{advice}", err=True)
    put(file, page(found, samples, missing).encode())
    say(f"Written: {file}.")
    return 0


def _check_place(file: Path, run: "RunFolder", *, overwrite: bool) -> None:
    """Refuse what is no place for a page: a folder, or a file that is none of ours."""
    from unchaff.errors import RunFolderError
    from unchaff.report.page import is_page
    from unchaff.runs.layout import REPORT
    from unchaff.runs.write import check_export

    if file.is_dir():
        raise RunFolderError(
            f"{file} is a folder. Give --out the name of a file, such as {file / 'page.html'}."
        )
    is_own = file.resolve() == (run.path / REPORT).resolve()
    if not is_own and not (file.is_file() and is_page(file.read_text(errors="replace"))):
        check_export(file, run.path, overwrite=overwrite)


def shown(run: "RunFolder") -> "tuple[Samples | None, str]":
    """Return the samples of a run as they were then; None, and why, where that cannot be had."""
    from unchaff.errors import UnchaffError
    from unchaff.runs.asked import noisy_of

    if "options" not in run.manifest["config"] and run.data is None:
        return None, "The run was saved from Python, which does not say where its data lie."
    try:
        return noisy_of(run), ""
    except (UnchaffError, OSError) as error:
        return None, " ".join(str(error).split())
