"""What a Python user calls: a network and data in, an outcome out."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from unchaff.attribute.readout import Readout
from unchaff.bench.start import fitting
from unchaff.data.dataset import from_dataset
from unchaff.errors import RunFolderError
from unchaff.interfaces import Repair
from unchaff.methods.unlearn import Unlearn
from unchaff.nets.adapt import bare
from unchaff.nets.build import NETS, from_shape
from unchaff.partition.transition import Transition
from unchaff.records import Observed, Outcome, Partition, Trained
from unchaff.runs.read import read
from unchaff.runs.weights import check_fit, load_into, load_weights
from unchaff.samples import Samples
from unchaff.streams import Streams

Data = Samples | Dataset[tuple[Tensor, int]] | Dataset[Mapping[str, Any]] | Dataset[tuple[Any, int]]


def repair(
    model: nn.Module | Trained,
    train: Data,
    *,
    method: Repair | None = None,
    holdout: Data | None = None,
    taps: Sequence[str] = (),
    seed: int = 0,
) -> Outcome:
    """Repair a copy of a trained classifier.

    Args:
        model: maps a batch of inputs to logits (b, classes), or to an object, mapping or tuple that
            holds them; not modified. Pass a `Trained` to say more about it: its weights before training,
            or how it was trained, the yardstick of budgets (the default recipe is assumed without). A
            network of the transformers library is taken for pretrained.
        train: what it was trained on, with the labels as given; not modified.
        method: `Unlearn()` by default; any member of `unchaff.methods.METHODS`.
        holdout: samples the network has not seen; their labels may be as noisy.
        taps: names of the layers whose inputs to judge samples by; found out by default.
        seed: same seed, same machine: same result on the CPU.

    Returns:
        The outcome: `model` (repaired copy), `quality` (a table of one row per sample), `cost`.

    Raises:
        DataError: the data cannot be learned from.
        ModelError: the network cannot take the data, or has no layer to read.
    """
    samples = _samples(train)
    trained = model if isinstance(model, Trained) else Trained(model=model, pretrained=_is_of_hub(model))
    trained = replace(trained, taps=tuple(taps)) if taps else trained
    trained = replace(trained, model=fitting(trained.model, samples, trained.taps))
    observed = Observed(train=samples, holdout=None if holdout is None else _samples(holdout))
    outcome = (method or Unlearn())(trained, observed, streams=Streams(seed))
    return replace(outcome, model=bare(outcome.model))


def score(model: nn.Module, train: Data, *, taps: Sequence[str] = (), seed: int = 0) -> Partition:
    """Judge every sample and leave the network alone.

    Returns:
        The split: `quality` in [0, 1] per id, higher is better, and who would be kept.
    """
    samples = _samples(train)
    trained = Trained(model=fitting(model, samples, tuple(taps)), taps=tuple(taps))
    return Transition()(Readout()(trained, Observed(train=samples), streams=Streams(seed)))


def load(run: str | Path, *, model: nn.Module | None = None) -> nn.Module:
    """Return the repaired network of a run folder, in evaluation mode.

    Built-in networks are rebuilt; for any other one pass the plain, freshly built network as `model`.
    No code named in a file is run, and no pickle is read.

    Raises:
        RunFolderError: no run folder, or its network was not built in and `model` is missing.
        ModelError: the weights do not fit.
    """
    folder = Path(run)
    spec, state = read(folder).model, load_weights(folder / "model.safetensors")
    if model is None:
        if spec["model"] not in NETS:
            raise RunFolderError(
                f"{folder} holds the network {spec['model']!r}, which is not built in. "
                "Pass the plain network: unchaff.load(run, model=network)."
            )
        model = _built_in(spec, state, folder)
    load_into(model, state)
    return model.eval()


def _built_in(spec: Mapping[str, Any], state: Mapping[str, Tensor], folder: Path) -> nn.Module:
    """Return a built-in network, of which memory is taken only if the weights are of its size."""
    shape, classes = tuple(spec["input"]["shape"]), len(spec["class_names"])
    try:
        with torch.device("meta"):
            check_fit(from_shape(spec["model"], shape, classes), state)
    except (TypeError, IndexError, RuntimeError, ZeroDivisionError, OverflowError) as error:
        raise RunFolderError(
            f"{folder / 'model.json'} describes no network that can be built ({error}). Run the repair again."
        ) from error
    return from_shape(spec["model"], shape, classes)


def _is_of_hub(model: nn.Module) -> bool:
    """Whether a network is one of the transformers library, and so most likely began pretrained."""
    return hasattr(model, "base_model_prefix")


def _samples(data: Data) -> Samples:
    return data if isinstance(data, Samples) else from_dataset(data)
