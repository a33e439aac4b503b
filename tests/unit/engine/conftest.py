"""Digits with wrong labels, in tables, and a network that was trained on them."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from unchaff import noise
from unchaff.attribute.readout import Readout
from unchaff.data import Options, digits
from unchaff.data.tables import encoded
from unchaff.engine import units
from unchaff.nets.build import build
from unchaff.partition.transition import Transition
from unchaff.records import Observed, Partition, Recipe, Trained
from unchaff.samples import Samples
from unchaff.streams import Streams
from unchaff.train.initial import train_initial
from unchaff.whole import parquet


@dataclass(frozen=True)
class World:
    """Data, a network, and how one process splits them."""

    folder: Path  # of tables
    samples: Samples
    trained: Trained
    split: Partition
    options: Options


@pytest.fixture(scope="session")
def world(tmp_path_factory):
    streams = Streams(0)
    samples = noise.parse("symmetric:0.4")(digits()[0], streams=streams)[0]
    folder = tmp_path_factory.mktemp("tables")
    table = encoded(samples, {})
    for place in range(3):
        first, end = len(table) * place // 3, len(table) * (place + 1) // 3
        (folder / f"train-{place}.parquet").write_bytes(parquet(table.slice(first, end - first)))
    recipe = Recipe(epochs=24, batch_size=32)  # until it knows wrong labels too
    model = build("mlp", samples, streams=streams)
    trained = Trained(model=train_initial(model, samples, recipe, streams=streams).model.eval())
    split = Transition()(Readout()(trained, Observed(train=samples), streams=streams))
    return World(folder, samples, trained, split, Options())


@pytest.fixture(autouse=True)
def small_units(monkeypatch):
    monkeypatch.setattr(units, "ROWS", 150)
