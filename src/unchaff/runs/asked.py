"""What was asked of a run, as its manifest has kept it, and the data it was asked of."""

from typing import Any

import numpy as np
import torch

from unchaff import noise as noises
from unchaff.data.load import is_factory, load
from unchaff.data.options import Options
from unchaff.errors import RunFolderError
from unchaff.runs.layout import HUB
from unchaff.runs.manifest import hashes
from unchaff.runs.read import RunFolder
from unchaff.samples import Samples
from unchaff.streams import Streams


def options_of(run: RunFolder) -> Options:
    """Return how the data of a run were read.

    Raises:
        RunFolderError: the manifest says it in another way.
    """
    if "made" in run.manifest["config"] and run.data is not None:
        return Options()  # saved from Python, and the user says where the data lie
    try:
        saved: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in run.manifest["config"]["options"].items()
        }
        if saved.get("hub") is not None:
            saved["hub"] = run.path / HUB  # what the run kept of the model folder
        saved["augment"] = None  # a name, which is not called here: nothing is trained
        return Options(**saved)
    except (TypeError, KeyError, AttributeError) as error:
        raise RunFolderError(
            f"{run.path} says in another way how its data are read ({error}). Run the repair again."
        ) from error


def spec_of(run: RunFolder) -> str:
    """Return where the data of a run lie.

    Raises:
        RunFolderError: nobody knows, or they come from code that nobody named but the folder.
    """
    if not run.spec:
        raise RunFolderError(
            f"{run.path} was saved from Python, so its data cannot be read again. Say --data if they lie in "
            "files."
        )
    if run.data is None and is_factory(run.spec):
        raise RunFolderError(
            f"The data of {run.path} come from {run.spec}, and no code is run because a file names it. Say "
            f"--data {run.spec} if you know it."
        )
    return run.spec


def samples_of(run: RunFolder) -> tuple[str, Options, Samples]:
    """Return where the data of a run came from, how they were read, and the samples with its labels.

    Raises:
        RunFolderError: the data are others now, or as `spec_of`.
        DataError: they cannot be read any more.
    """
    spec, options, samples, _ = _read_again(run)
    return spec, options, samples


def noisy_of(run: RunFolder) -> Samples:
    """Return the samples as the run saw them: with its labels, and the noise it planted in their inputs.

    Raises:
        RunFolderError, DataError: as `samples_of`.
    """
    return _read_again(run)[3]


def _read_again(run: RunFolder) -> tuple[str, Options, Samples, Samples]:
    """Return place, options, the samples there with the labels of the run, and these as the run saw them."""
    spec, options = spec_of(run), options_of(run)
    samples = load(spec, options).train
    table = run.quality
    if not np.array_equal(samples.ids, table.column("id").to_numpy(zero_copy_only=False)):
        raise RunFolderError(
            f"{spec} holds other samples than when {run.path} was made. Give the data back, or run again."
        )
    samples = samples.relabel(torch.from_numpy(table.column("label").to_numpy().copy()))
    noisy = _replanted(run, samples)
    then, now = (data.get("inputs_sha256") for data in (run.manifest["data"], hashes(noisy)))
    if then is not None and now is not None and then != now:
        raise RunFolderError(
            f"{spec} holds other inputs than when {run.path} was made. Give the data back, or run again."
        )
    return spec, options, samples, noisy


def _replanted(run: RunFolder, samples: Samples) -> Samples:
    """Return the samples with the noise that the run planted in their inputs; labels are those of the run."""
    config = run.manifest["config"]
    spec, seed = str(config.get("noise", "none")), config.get("seed", 0)
    is_of_inputs = any(part.startswith(noises.OF_INPUTS) for part in spec.split("+"))
    planted = noises.parse(spec) if is_of_inputs else None
    if planted is None:
        return samples
    noisy, _ = planted(samples, streams=Streams(int(seed)))
    return noisy.relabel(samples.labels)
