"""`unchaff export`: what a run found, for other tools."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

from typer import Argument, Option

from unchaff.cli import options
from unchaff.cli.said import say
from unchaff.cli.words import pasted

EXAMPLE = "unchaff export run --format ids --out kept.txt"
Format = Literal["ids", "quality", "dataset", "cleanlab", "label-studio", "fiftyone", "hub", "torch", "onnx"]


@dataclass(frozen=True, kw_only=True)
class Options(options.Answering):
    """What `export` takes."""

    run: Annotated[Path, Argument(help="A run folder.")]
    format: Annotated[Format, Option(help="What to write.")]
    out: Annotated[Path, Option(help="The file to write; of hub, the folder.")]
    data: Annotated[
        str | None, Option(help="The data of the run, if they lie elsewhere now, or are pkg.module:factory.")
    ] = None
    model: Annotated[
        str | None, Option(help="torch, onnx: pkg.module:factory of a network that is not built in.")
    ] = None
    remove_pruned: Annotated[
        bool, Option("--remove-pruned", help="torch, onnx: take pruned units out (extra structural).")
    ] = False
    overwrite: Annotated[bool, Option("--overwrite", help="Replace it if it exists.")] = False


def command(given: Options) -> int:
    """Write what a run found for other tools.

    ids: kept ids, one a line. quality: id, keep, quality (Parquet). dataset: the data with a keep column
    (Parquet, Hugging Face layout). cleanlab: its label issues (CSV). label-studio: tasks, worst first (JSON).
    fiftyone: samples (JSON). hub: a Hugging Face model folder. torch: a torch.export program. onnx: an
    ONNX model (extra onnx).
    """
    from unchaff.cli import answer
    from unchaff.errors import ConfigError
    from unchaff.exports import FORMATS, PROGRAMS
    from unchaff.runs.read import read
    from unchaff.runs.write import check_export

    run, saved = replace(read(given.run), data=given.data), ""
    check_export(given.out, run.path, overwrite=given.overwrite)
    if given.format in PROGRAMS:
        saved = PROGRAMS[given.format](run, given.out, smaller=given.remove_pruned, factory=given.model)
    else:
        for option, asked in (("--remove-pruned", given.remove_pruned), ("--model", given.model)):
            if asked:
                allowed = " or ".join(PROGRAMS)
                raise ConfigError(f"{option} is for --format {allowed}, got {given.format}. Leave one out.")
        FORMATS[given.format](run, given.out)

    def tell() -> None:
        if saved:
            say(saved)
        say(f"Written: {pasted(given.out)}")

    content = {"run": answer.whole(run.path), "format": given.format, "out": answer.whole(given.out)}
    if saved:
        content["saved"] = saved
    return answer.give(given, answer.Answer(content=content, tell=tell, path=given.out))
