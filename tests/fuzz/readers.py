"""What is read, and how: from the bytes of one file, in a folder of its own."""

import importlib.util
import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np

from fuzz import seeds
from unchaff import hub, noise
from unchaff.api import load as load_network
from unchaff.bench.rows import Results, packed
from unchaff.data import Options, from_arrays, load
from unchaff.data.write import read_truth
from unchaff.exports import FORMATS
from unchaff.journal import Journal, State
from unchaff.recording.shards import read as read_record
from unchaff.runs.read import read
from unchaff.runs.unfinished import finished
from unchaff.runs.weights import load_weights
from unchaff.shards import packed as packed_shard
from unchaff.streams import Streams

Read = Callable[[bytes, Path], object]
FOLDER = Path("run")


@dataclass(frozen=True)
class Reader:
    """One kind of file."""

    seeds: Callable[[], tuple[bytes, ...]]
    read: Read
    is_json: bool = False


def through(name: str, **options: object) -> Read:
    """Return a reader of data that lie in one file."""

    def read_data(content: bytes, folder: Path) -> object:
        (folder / name).write_bytes(content)
        loaded = load(str(folder / name), Options(**options))  # type: ignore[arg-type]
        return [next(part.batches(4)).inputs for part in (loaded.train, loaded.test) if part is not None]

    return read_data


def among(valid: Callable[[], tuple[bytes, ...]], suffix: str, **options: object) -> Read:
    """Return a reader of a folder of class folders, in which one file is broken."""

    def read_folder(content: bytes, folder: Path) -> object:
        for name, held in (("a/1", valid()[0]), ("b/1", valid()[0]), ("b/2", content)):
            (folder / "data" / f"{name}{suffix}").parent.mkdir(parents=True, exist_ok=True)
            (folder / "data" / f"{name}{suffix}").write_bytes(held)
        loaded = load(str(folder / "data"), Options(workers=0, **options))  # type: ignore[arg-type]
        return next(loaded.train.batches(4)).inputs

    return read_folder


def in_run(run: Path, name: str) -> Reader:
    """Return the reader of one file of a run folder; all that reads run folders is tried."""

    def read_run(content: bytes, folder: Path) -> object:
        shutil.copytree(run, folder / FOLDER, ignore=shutil.ignore_patterns("report.html"))
        (folder / FOLDER / name).write_bytes(content)
        found = read(folder / FOLDER)
        each = (found.metrics, found.plan, found.kind, found.quality, found.class_names, found.model)
        load_network(folder / FOLDER)
        for made in ("ids", "quality", "cleanlab", "dataset", "label-studio"):
            FORMATS[made](found, folder / f"{made}.out")
        return each

    return Reader(lambda: ((run / name).read_bytes(),), read_run, is_json=name.endswith(".json"))


def finished_again(content: bytes, folder: Path) -> object:
    (folder / "manifest.json").write_bytes(content)
    (folder / "metrics.json").write_text('{"noise_rate_estimate": 0.1}')
    return finished(folder, {"command": "score", "seed": 0}, dict)


def from_journal(content: bytes, folder: Path) -> object:
    (folder / "001-train.safetensors").write_bytes(content)
    return Journal(folder).entry("train").found()


def shard_of_journal(content: bytes, folder: Path) -> object:
    (folder / "001-look-00000.parquet").write_bytes(content)
    return Journal(folder).entry("look").shard(0)


def settings_of_journal(content: bytes, folder: Path) -> object:
    (folder / "settings.json").write_bytes(content)
    return Journal(folder).check("settings", {"seed": 0})


def journal_seeds(folder: Path) -> tuple[bytes, ...]:
    Journal(folder).entry("train").keep(State(seeds.STATE, {"seconds": 1.5}))
    return ((folder / "001-train.safetensors").read_bytes(),)


def weights(name: str) -> Read:
    def read_weights(content: bytes, folder: Path) -> object:
        (folder / name).write_bytes(content)
        return load_weights(folder / name)

    return read_weights


def truth(content: bytes, folder: Path) -> object:
    (folder / "truth.parquet").write_bytes(content)
    return read_truth(folder / "truth.parquet")


def planted(kind: str) -> Read:
    """Return a reader of files that noise is planted from."""
    samples = from_arrays(np.arange(8.0).reshape(4, 2), [0, 1, 0, 1])

    def plant(content: bytes, folder: Path) -> object:
        file = folder / kind.partition(":")[2].partition(":")[0]
        file.write_bytes(content)
        made = noise.parse(kind.replace(file.name, str(file)))
        return None if made is None else made(samples, streams=Streams(0))

    return plant


def record(content: bytes, folder: Path) -> object:
    (folder / "epoch-00000.rank-000.parquet").write_bytes(content)
    return list(read_record(folder))


def model_folder(content: bytes, folder: Path) -> object:
    (folder / "config.json").write_bytes(content)
    opened = hub.opened(folder)
    return opened.num_labels, opened.class_names


def results(content: bytes, folder: Path) -> object:
    (folder / "results.jsonl").write_bytes(content)
    found = Results(folder / "results.jsonl").rows.values()
    return [(row.accuracy, row.decisions, row.found("auroc")) for row in found]


def result_seeds() -> tuple[bytes, ...]:
    row = {
        "key": "k", "setting": "s", "name": "n", "kind": "method", "seed": 0, "scores": {"accuracy": 0.5},
        "detection": {"auroc": 0.9}, "kept": packed(np.arange(9) % 2 == 0), "seconds": 1.0, "notes": ["a"],
    }  # fmt: skip
    return (json.dumps(row).encode(),)


READERS: Mapping[str, Reader] = MappingProxyType(
    {
        "csv": Reader(lambda: seeds.TEXTS[:2], through("data.csv")),
        "tsv": Reader(lambda: seeds.TEXTS[2:], through("data.tsv")),
        "parquet": Reader(seeds.tables, through("data.parquet")),
        "parquet, lazy": Reader(seeds.tables, through("data.parquet", lazy=True, workers=0)),
        "parquet, some rows": Reader(seeds.tables, through("data.parquet", rows=2)),
        "npz": Reader(seeds.archives, through("data.npz")),
        "images": Reader(seeds.pictures, among(seeds.pictures, ".png")),
        "images, lazy": Reader(seeds.pictures, among(seeds.pictures, ".png", lazy=True)),
        "sounds": Reader(seeds.sounds, among(seeds.sounds, ".wav")),
        "safetensors": Reader(seeds.safe, weights("w.safetensors")),
        "pt": Reader(seeds.states, weights("w.pt")),
        "truth": Reader(seeds.truths, truth),
        "record": Reader(seeds.records, record),
        "human labels": Reader(seeds.truths, planted("human:table.parquet:true_label")),
        "transition.npy": Reader(seeds.matrices, planted("transition:matrix.npy")),
        "transition.csv": Reader(lambda: (b"0.9,0.1\n0.2,0.8\n",), planted("transition:matrix.csv")),
        "results": Reader(result_seeds, results, is_json=True),
        "journal shard": Reader(lambda: (packed_shard(seeds.SHARD),), shard_of_journal),
        "journal settings": Reader(lambda: (b'{"seed": 0}',), settings_of_journal, is_json=True),
        "finished": Reader(lambda: (b'{"config": {"seed": 0}, "data": {}}',), finished_again, is_json=True),
    }
)
if importlib.util.find_spec("transformers"):
    READERS = {**READERS, "config.json": Reader(lambda: seeds.CONFIGS, model_folder, is_json=True)}
IN_RUN = ("manifest.json", "metrics.json", "plan.json", "model.json", "quality.parquet", "model.safetensors")
