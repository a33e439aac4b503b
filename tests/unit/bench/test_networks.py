"""A finished network that was put away comes back as it was."""

import pytest
import torch

from unchaff.bench.cell import Cell, gather
from unchaff.bench.networks import finished
from unchaff.data import Options
from unchaff.streams import Streams

CELL = Cell(noise="symmetric:0.3", options=Options(rows=200), epochs=3, device="cpu")


def take(folder, cell=CELL):
    streams = Streams(cell.seed)
    samples = gather(cell, streams=streams).observed.train
    return finished(cell, samples, folder, streams=streams)


def test_it_comes_back_whole(tmp_path):
    first = take(tmp_path)
    second = take(tmp_path)
    assert (first.recipe, first.cost) == (second.recipe, second.cost)
    for one, other in (
        (first.model.state_dict(), second.model.state_dict()),
        (first.initial, second.initial),
    ):
        assert one.keys() == other.keys()
        assert all(torch.equal(one[name], other[name]) for name in one)
    assert not second.model.training
    assert torch.equal(first.record.margins.nan_to_num(9), second.record.margins.nan_to_num(9))
    assert (first.record.ids == second.record.ids).all()


@pytest.mark.parametrize(
    "change", [{"seed": 1}, {"epochs": 4}, {"augment": True}, {"noise": "symmetric:0.2"}]
)
def test_another_training_is_another_file(tmp_path, change):
    take(tmp_path)
    take(tmp_path, Cell(**{**vars(CELL), **change}))
    assert len(list(tmp_path.iterdir())) == 2
