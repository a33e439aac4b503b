"""What a run folder holds, by name, and its version: a later one is not misread by an earlier program."""

from collections.abc import Mapping
from pathlib import Path

from unchaff.errors import RunFolderError

FORMAT = 1  # raised when a program of today would misread a folder of tomorrow
METRICS = "metrics.json"
PLAN = "plan.json"  # the units pruned, and why
MANIFEST = "manifest.json"
QUALITY = "quality.parquet"
REQUIRED = (METRICS, PLAN, MANIFEST, QUALITY)
TRAINING = "training.parquet"  # how each sample was learned, where the training was recorded
WEIGHTS = "model.safetensors"  # of the network of a repair; a run of scoring has none, nor the next two
NETWORK = "model.json"  # how to build it
FILTER = "preprocess.safetensors"  # weights of what it is applied behind, where it is
HUB = "hub"  # subfolder: how to build a network of the transformers library, tokenizer and processor
REPORT = "report.html"
DECISIONS = "decisions.sqlite"  # what a person decided about the run, where one did
DATA_PATH = "data_path"  # in the manifest: where the data lay, however they were named


def check_format(content: Mapping[str, object], file: Path) -> None:
    """Look at the version a file of a run folder was written in; one without is of the first.

    Raises:
        RunFolderError: it is newer, or none.
    """
    found = content.get("format", FORMAT)
    if type(found) is not int or found < 1:
        raise RunFolderError(f"{file} holds no whole number above 0 under format. Run the repair again.")
    if found > FORMAT:
        raise RunFolderError(
            f"{file} was written by a newer version of unchaff (format {found}, this one reads up to "
            f"{FORMAT}). Upgrade unchaff, or run the repair again with this version."
        )
