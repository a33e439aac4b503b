"""What a Python user calls: a network and data in, an outcome out."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from unchaff.bench.start import fitting, module_of
from unchaff.data.dataset import Data, samples_of
from unchaff.hub import opened
from unchaff.interfaces import Repair, checked
from unchaff.methods.deciding import Deciding
from unchaff.methods.heed import check_reference, heeding
from unchaff.methods.unlearn import Unlearn
from unchaff.nets.adapt import bare
from unchaff.nets.hub import from_folder, is_of_hub
from unchaff.partition.keep import starved
from unchaff.recording.matching import matched
from unchaff.records import Decisions, Observed, Trained
from unchaff.repaired import Repaired, Scored
from unchaff.review.given import decisions_in
from unchaff.runs.read import read
from unchaff.runs.rebuilt import network
from unchaff.samples import Samples
from unchaff.streams import Streams


def repair(  # noqa: PLR0913  what to repair, and what is known of it
    model: nn.Module | Trained | str | Path,
    train: Data,
    *,
    method: Repair | None = None,
    holdout: Data | None = None,
    reference: Data | None = None,
    record: str | Path | None = None,
    decisions: Decisions | str | Path | None = None,
    taps: Sequence[str] = (),
    seed: int = 0,
) -> Repaired:
    """Repair a copy of a trained classifier.

    Args:
        model: maps a batch of inputs to logits (b, classes), or to an object, mapping or tuple that
            holds them; not modified. Pass a `Trained` to say more about it: its weights before training,
            or how it was trained, the yardstick of budgets (the default recipe is assumed without). A
            network of the transformers library is taken for pretrained. A path is that of a Hugging Face
            model folder with a trained network.
        train: what it was trained on, with the labels as given; not modified.
        method: `Unlearn()` by default; any member of `unchaff.methods.METHODS`.
        holdout: samples the network has not seen; their labels may be as noisy.
        reference: a few samples whose labels are known to be right, for a method that chooses on them.
        record: that a `Recorder` wrote while the network, or another, was trained on these samples; it is
            weighed in where the method splits.
        decisions: what a person decided about these samples, or the run folder where it was done with
            `unchaff review`: kept, dropped or relabelled for certain; it calibrates the quality of the rest.
        taps: names of the layers whose inputs to judge samples by; found out by default.
        seed: same seed, same machine: same result on the CPU.

    Returns:
        The outcome: `model` (repaired copy), `quality` (a table of one row per sample), `cost`, and
        `save(run)`.

    Raises:
        ConfigError: the method is none, or makes no use of a record or reference; a class was dropped; the
            seed is no whole number.
        DataError: the data cannot be learned from; the record is of other samples.
        ModelError: the network cannot take the data, or has no layer to read.
    """
    samples, repairing = samples_of(train), Unlearn() if method is None else checked(method)
    beside = opened(model).beside() if isinstance(model, str | Path) else {}
    trained = _trained(model, samples)
    trained = replace(trained, taps=tuple(taps)) if taps else trained
    trained = replace(trained, model=fitting(trained.model, samples, trained.taps))
    held = None if holdout is None else samples_of(holdout, like=samples)
    known = None if reference is None else samples_of(reference, like=samples)
    if known is not None:
        check_reference(repairing)
    observed = Observed(train=samples, holdout=held, reference=known)
    if record is not None:
        margins = matched(record, samples).record
        trained, repairing = replace(trained, record=margins), heeding(repairing, margins)
    if decisions is not None:
        given = decisions if isinstance(decisions, Decisions) else decisions_in(read(Path(decisions)))
        repairing = Deciding(method=repairing, decisions=given)
    with torch.inference_mode(mode=False), torch.enable_grad():
        outcome = repairing(trained, observed, streams=Streams(seed))
    if isinstance(repairing, Deciding):
        observed = replace(observed, train=repairing.decisions.applied(samples))
    hungry = starved(outcome.partition, observed.train.labels, observed.train.class_names)
    found = {**vars(outcome), "model": bare(outcome.model), "notes": (*outcome.notes, *hungry)}
    return Repaired(**found, trained=trained, observed=observed, method=repairing, seed=seed, beside=beside)


def score(
    model: nn.Module | str | Path,
    train: Data,
    *,
    record: str | Path | None = None,
    taps: Sequence[str] = (),
    seed: int = 0,  # noqa: ARG001  as of `repair`
) -> Scored:
    """Judge every sample as `repair` does first, and leave the network, or that of a model folder, alone.

    Arguments are those of `repair`; of the seed nothing depends, for nothing is drawn.

    Returns:
        The split, a `Partition`: `quality` in [0, 1] per id, higher is better, and who would be kept;
        `table` has both, and all else, as the `quality` of `repair` does.
    """
    samples = samples_of(train)
    trained = _trained(model, samples)
    trained = replace(trained, model=fitting(trained.model, samples, tuple(taps)), taps=tuple(taps))
    margins = None if record is None else matched(record, samples).record
    split = heeding(Unlearn(), margins).look(trained, Observed(train=samples)).partition
    return Scored(**vars(split), samples=samples, trained=trained)


def load(run: str | Path, *, model: nn.Module | None = None) -> nn.Module:
    """Return the repaired network of a run folder, in evaluation mode.

    Built-in networks and those of the transformers library are rebuilt; for any other one pass the plain,
    freshly built network as `model`.
    No code named in a file is run, and no pickle is read.

    Raises:
        RunFolderError: no run folder, one of scoring alone, or its network was not built in and `model` is
            missing.
        ConfigError: units were taken out of it, and torch-pruning (extra structural) is not installed.
        ModelError: the weights do not fit, or `model` is no network.
    """
    plain = None if model is None else module_of(model)
    return network(read(Path(run)), plain=plain)


def _trained(model: nn.Module | Trained | str | Path, samples: Samples) -> Trained:
    if isinstance(model, Trained):
        return model
    if isinstance(model, str | Path):
        return Trained(model=from_folder(Path(model), samples).to(samples.device), pretrained=True)
    model = module_of(model)
    return Trained(model=model, pretrained=is_of_hub(model))
