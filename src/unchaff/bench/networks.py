"""Finished networks on disk, so that no suite trains the same one twice."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import safetensors
import safetensors.torch
import torch
from torch import Tensor

import unchaff
from unchaff.bench.cell import Cell
from unchaff.bench.start import fitting, start
from unchaff.errors import RunFolderError
from unchaff.nets.build import build, default_net
from unchaff.records import Cost, Recipe, Trained, TrainingRecord
from unchaff.runs.manifest import hashes, versions
from unchaff.runs.weights import load_into, to_bytes
from unchaff.samples import Samples
from unchaff.streams import Streams
from unchaff.whole import put

# Code that decides the weights, and that which does too where a network learned something else first.
DECIDING = ("records.py", "samples.py", "streams.py", "nets", "train", "noise", "data")
BEGINNING = ("bench/backbones.py", "methods/beginning.py", "methods/encoder.py")


@dataclass(frozen=True)
class Beginning:
    """A network that learned something else than the labels as they are."""

    train: Callable[[], Trained]
    how: object  # what `train` does: decides the file too
    seen: Samples  # as far as they decide the weights


def finished(
    cell: Cell,
    samples: Samples,
    folder: Path,
    *,
    streams: Streams,
    beginning: Beginning | None = None,
) -> Trained:
    """Return the trained network: from the folder, or trained now and put there.

    The file is found by a hash of the data, the recipe, the seed, the versions and the code that
    trains, so that a change in any of them trains anew.

    Args:
        cell: says which network, and how it is trained.
        samples: that it is trained on.
        folder: of the files.
        streams: of the seed.
        beginning: how it is trained; None: on the labels as they are.
    """
    file = folder / f"{_key(cell, samples, beginning)}.safetensors"
    if file.is_file():
        return _read(file, cell, samples, streams=streams)
    trained = start(cell, samples, streams=streams)[1] if beginning is None else beginning.train()
    put(file, to_bytes(_packed(trained)))
    return trained


def _packed(trained: Trained) -> dict[str, Tensor]:
    about = {
        "recipe": None if trained.recipe is None else asdict(trained.recipe),
        "cost": asdict(trained.cost),
        "pretrained": trained.pretrained,
    }
    packed = {f"model.{name}": tensor for name, tensor in trained.model.state_dict().items()}
    packed |= {f"initial.{name}": tensor for name, tensor in (trained.initial or {}).items()}
    if trained.record is not None:
        packed["margins"] = trained.record.margins
    return {**packed, "about": torch.tensor(list(json.dumps(about).encode()), dtype=torch.uint8)}


def _read(file: Path, cell: Cell, samples: Samples, *, streams: Streams) -> Trained:
    try:
        packed = safetensors.torch.load_file(file)
        about = json.loads(bytes(packed["about"].tolist()))
    except (safetensors.SafetensorError, OSError, KeyError, ValueError) as error:
        raise RunFolderError(f"{file} cannot be read ({error}). Delete it, and it is made again.") from error
    spec = cell.model or default_net(samples)  # not what the file says: it may name code to run
    model = fitting(build(spec, samples, streams=streams), samples)
    load_into(model, _under(packed, "model."))
    margins = packed.get("margins")
    initial = {name: tensor.to(samples.device) for name, tensor in _under(packed, "initial.").items()}
    return Trained(
        model=model.eval(),
        recipe=None if about["recipe"] is None else Recipe(**about["recipe"]),
        initial=initial or None,
        record=None if margins is None else TrainingRecord(ids=samples.ids, margins=margins),
        cost=_cost(about["cost"]),
        pretrained=about["pretrained"],
    )


def _under(packed: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): each for name, each in packed.items() if name.startswith(prefix)}


def _cost(numbers: Mapping[str, object]) -> Cost:
    stages = numbers["stages"]
    parts = {name: _cost(each) for name, each in stages.items()} if isinstance(stages, dict) else {}
    return Cost(**{**numbers, "stages": parts})  # type: ignore[arg-type]


def _key(cell: Cell, samples: Samples, beginning: Beginning | None) -> str:
    told = {
        "data": hashes(samples if beginning is None else beginning.seen),
        "model": [cell.model, str(cell.weights), cell.epochs, cell.augment, cell.seed],
        "files": cell.files(),
        "versions": versions(),
        "machine": [str(samples.device), torch.get_num_threads()],
        "code": _code(DECIDING),
        **({} if beginning is None else {"how": repr(beginning.how), "how code": _code(BEGINNING)}),
    }
    return hashlib.sha256(json.dumps(told, sort_keys=True, default=str).encode()).hexdigest()[:20]


def _code(names: Sequence[str]) -> str:
    root, digest = Path(unchaff.__file__).parent, hashlib.sha256()
    for name in names:
        place = root / name
        for file in sorted(place.rglob("*.py")) if place.is_dir() else [place]:
            digest.update(file.read_bytes())
    return digest.hexdigest()
