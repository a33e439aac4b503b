"""Memory and disk serve the same numbers, and a change follows its sample."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import Tensor

from unchaff.data.prepare import LogMel, Pixels
from unchaff.data.sources import in_memory, on_disk
from unchaff.samples import Source


@dataclass(frozen=True)
class Stored:
    """Decodes by looking up."""

    inputs: Tensor

    def __len__(self):
        return len(self.inputs)

    def __getitem__(self, row):
        return self.inputs[row]


def images(count=9):
    return torch.randint(0, 256, (count, 3, 4, 4), generator=torch.Generator().manual_seed(0)).byte()


def waves(count=9):
    return torch.randn(count, 800, generator=torch.Generator().manual_seed(0))


def add_row(rows, raw):
    """A change that depends on the row alone, so that it can be told where it was applied."""
    return raw + torch.from_numpy(rows).to(raw.dtype).reshape(-1, *[1] * (raw.dim() - 1))


SOURCES = {
    "memory": in_memory,
    "disk, this process": lambda raw, prepare: on_disk(Stored(raw), prepare, workers=0),
    "disk, two workers": lambda raw, prepare: on_disk(Stored(raw), prepare, workers=2),
}


@pytest.fixture(params=SOURCES)
def build(request):
    return SOURCES[request.param]


def test_is_a_source(build):
    assert isinstance(build(images(), Pixels()), Source)


@pytest.mark.parametrize(("raw", "prepare"), [(images(), Pixels()), (waves(), LogMel.at(8000, 0.1))])
def test_batches_are_identical_from_memory_and_disk(build, raw, prepare):
    batches = [np.array([3, 1]), np.array([8]), np.array([0, 2, 4, 5])]
    for rows, got in zip(batches, build(raw, prepare).read(iter(batches)), strict=True):
        assert torch.equal(got, prepare(raw[rows]))


def test_a_change_follows_its_sample_through_a_selection(build):
    raw = images() // 2
    source = build(raw, Pixels()).select(np.array([2, 4, 6, 8])).altered(add_row).select(np.array([3, 1]))
    expected = add_row(np.array([3, 1]), raw[[8, 4]])
    assert torch.equal(source.raw(np.arange(2)), expected)
    assert torch.equal(next(source.read([np.arange(2)])), Pixels()(expected))


def test_changes_stack_each_with_its_own_numbering(build):
    raw = images() // 4
    source = build(raw, Pixels()).altered(add_row).select(np.array([5, 7])).altered(add_row)
    assert torch.equal(source.raw(np.array([1])), raw[[7]] + 7 + 1)


def test_a_fresh_change_is_made_at_every_access(build):
    calls = []

    def counted(rows, raw):
        calls.append(rows.tolist())
        return raw

    source = build(images(), Pixels()).altered(counted, fresh=True)
    for _ in range(2):
        next(source.read([np.array([1, 2])]))
    assert calls == [[1, 2], [1, 2]]


def test_the_original_is_untouched(build):
    raw = images()
    source = build(raw, Pixels())
    before = source.raw(np.arange(9)).clone()
    source.altered(add_row).raw(np.arange(9))
    assert torch.equal(source.raw(np.arange(9)), before)


def test_reading_leaves_the_global_random_numbers_alone(build):
    state = torch.get_rng_state()
    list(build(images(), Pixels()).read([np.arange(9)]))
    assert torch.equal(torch.get_rng_state(), state)


def test_no_batches_is_no_work(build):
    assert list(build(images(), Pixels()).read([])) == []


def test_dear_preparation_runs_once_for_all_selections():
    source = in_memory(waves(), LogMel.at(8000, 0.1))
    next(source.read([np.array([0])]))
    assert source.select(np.array([1, 2])).held.features is source.held.features
