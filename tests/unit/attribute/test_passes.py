"""What passes over data of any size hold: sums, a few batches, numbers of each sample."""

import gc
import weakref
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from unchaff import journal
from unchaff.attribute import chunks as chunks_module
from unchaff.attribute import observe, passes
from unchaff.attribute.chunks import OnDisk, fit_on_disk
from unchaff.attribute.observe import Walk
from unchaff.attribute.readout import Readout
from unchaff.attribute.ridge import Sums
from unchaff.attribute.typicality import Statistics, Typicality, _Moments
from unchaff.data.prepare import Pixels
from unchaff.data.sources import on_disk
from unchaff.methods.channels import restricted
from unchaff.partition import believed
from unchaff.partition.transition import Transition
from unchaff.records import Observed
from unchaff.shards import Shelved, whole
from unchaff.streams import Streams


class Stored:
    """Pictures that are looked up."""

    def __init__(self, inputs):
        self.inputs = inputs

    def __len__(self):
        return len(self.inputs)

    def __getitem__(self, row):
        return self.inputs[row]


@pytest.fixture
def on_access(toy):
    """The toy data, decoded when asked for by two processes."""
    train = toy.observed.train
    items = Stored(train.source.raw(np.arange(len(train))))
    return Observed(train=replace(train, source=on_disk(items, Pixels(), workers=2)))


def judged(toy, observed, batch_size=256):
    """Return evidence of labels and of inputs, and the split."""
    readout = Readout(own=1.0)
    walk = replace(readout.walk(toy.trained, observed), batch_size=batch_size)
    labels = readout.of(walk)
    return labels, Typicality().judge(walk, labels).evidence, Transition()(labels)


@pytest.mark.parametrize("hears", [True, False])
def test_what_is_remembered_is_counted_with_all_that_is_seen(toy, monkeypatch, hears):
    walk = Walk(toy.trained.model, toy.observed.train, 0.5, hears=hears)
    (held, *_) = chunks = list(walk)
    assert (held.log_probs is not None) == hears
    tensors = [each for each in vars(held).values() if isinstance(each, (torch.Tensor, np.ndarray))]
    needed = sum(each.nbytes for each in tensors) // len(held.rows) * sum(len(each.rows) for each in chunks)
    for memory, disk, remembers in ((needed, 0, True), (needed - 1, needed, True), (0, needed - 1, False)):
        monkeypatch.setattr(observe, "REMEMBERED", memory)
        monkeypatch.setattr(chunks_module, "LEFT", disk)
        assert replace(walk).remembers == remembers


def assert_close(found, expected):
    for one, two in zip(found[:2], expected[:2], strict=True):
        torch.testing.assert_close(one.total, two.total, rtol=0, atol=1e-5)
        for name, column in two.columns.items():
            torch.testing.assert_close(one.columns[name], column, rtol=0, atol=1e-5)
    for name, opinion in expected[0].opinions.items():
        torch.testing.assert_close(whole(found[0].opinions[name]), opinion, rtol=0, atol=1e-5)
    torch.testing.assert_close(found[2].quality, expected[2].quality, rtol=0, atol=1e-5)
    assert torch.equal(found[2].kept, expected[2].kept)
    assert torch.equal(found[2].suggested, expected[2].suggested)


def test_what_is_streamed_equals_what_is_held(toy, on_access, monkeypatch):
    held = judged(toy, toy.observed)
    assert_close(judged(toy, on_access, batch_size=50), held)
    monkeypatch.setattr(passes, "HELD", 500)
    monkeypatch.setattr(observe, "REMEMBERED", 0)
    for left in (chunks_module.LEFT, 0):
        monkeypatch.setattr(chunks_module, "LEFT", left)
        streamed = judged(toy, toy.observed)
        assert all(isinstance(each, Shelved) for each in streamed[0].opinions.values())
        assert_close(streamed, held)


def test_what_is_on_disk_is_decoded_once_for_all_walks_of_a_look(toy, on_access, monkeypatch):
    seen, heard = [], Walk._heard

    def count(self, batch):
        seen.extend(batch.rows.tolist())
        return heard(self, batch)

    monkeypatch.setattr(Walk, "_heard", count)
    labels, inputs, _ = judged(toy, on_access, batch_size=50)
    assert seen == list(range(600))
    held = judged(toy, toy.observed)
    assert [each.cost.samples_seen for each in (labels, inputs)] == [600, 0]
    assert [each.cost.flops for each in (labels, inputs)] == [each.cost.flops for each in held[:2]]


def test_a_disk_that_is_full_costs_passes_and_nothing_else(toy, on_access, monkeypatch):
    held = judged(toy, on_access, batch_size=50)
    append, told = OnDisk.append, []

    def full(self, chunk):
        told.append(chunk)
        if len(told) > 3:
            raise OSError(28, "No space left on device")
        append(self, chunk)

    monkeypatch.setattr(OnDisk, "append", full)
    walked_anew = judged(toy, on_access, batch_size=50)
    assert len(told) == 4, "it is not tried again"
    assert walked_anew[0].cost.samples_seen == 2 * held[0].cost.samples_seen
    assert torch.equal(walked_anew[0].total, held[0].total)
    assert torch.equal(walked_anew[2].quality, held[2].quality)


def test_nothing_is_held_of_what_is_on_disk(toy):
    """Small pieces between batches that come and go would keep their memory from being used again."""
    chunk = next(iter(Walk(toy.trained.model, toy.observed.train, 0.5)))
    left, alive = OnDisk(chunk), []
    for _ in range(40):
        left.append(chunk)
        gc.collect()
        alive.append(sum(type(each) is torch.Tensor for each in gc.get_objects()))
    assert alive[-1] <= alive[0]
    assert all(torch.equal(each.features, chunk.features) for each in left)
    assert sum(1 for _ in left) == 40


def test_room_is_left_on_the_disk(monkeypatch):
    monkeypatch.setattr(chunks_module.shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))
    assert [fit_on_disk(size) for size in (500, 501)] == [True, False]


def test_the_noise_is_learned_from_a_part_of_very_many(toy, monkeypatch):
    evidence, _, split = judged(toy, toy.observed)
    monkeypatch.setattr(believed, "FITTED_ON", 1600)
    monkeypatch.setattr(believed, "OF_A_CLASS", 5)
    monkeypatch.setattr(believed, "PIECE", 300)
    part = Transition()(evidence)
    assert part.reason.endswith("The noise was learned from 400 of the 600 samples, drawn by id.")
    assert "drawn" not in split.reason
    assert float((part.quality - split.quality).abs().mean()) < 0.05
    assert float((part.kept == split.kept).double().mean()) > 0.95


def test_numbers_left_in_files_are_chosen_from_as_a_tensor(toy, monkeypatch):
    held = Readout()(toy.trained, toy.observed, streams=Streams(0))
    monkeypatch.setattr(passes, "HELD", 300)
    shelved = Readout()(toy.trained, toy.observed, streams=Streams(0))
    opinion, expected = shelved.opinions["readout"], held.opinions["readout"]
    assert opinion.shape == expected.shape
    assert len(opinion.files) > 1
    inside = torch.arange(600) % 7 == 3
    some = restricted(shelved, inside).opinions["readout"]
    assert torch.equal(whole(some), expected[inside])
    assert torch.equal(whole(some[torch.tensor([1, 4, 80])]), expected[inside][[1, 4, 80]])
    place = opinion.keeper.path
    assert len(list(place.glob("*.parquet"))) == len(opinion.files)
    del shelved, opinion, some
    gc.collect()
    assert not place.exists(), "it is gone with the evidence"


def test_few_batches_are_alive_whatever_the_size(toy, on_access, monkeypatch):
    """Counted where they are made: chunks of features, and prepared batches of inputs."""
    alive, most = set(), [0]

    def count(each):
        alive.add(id(each))
        weakref.finalize(each, alive.discard, id(each))
        most[0] = max(most[0], len(alive))
        return each

    chunk, batches = Walk._chunk, type(on_access.train).batches
    monkeypatch.setattr(Walk, "_chunk", lambda self, batch: count(chunk(self, batch)))
    monkeypatch.setattr(
        type(on_access.train), "batches", lambda self, *more: (count(each) for each in batches(self, *more))
    )
    judged(toy, on_access, batch_size=10)
    assert 1 <= most[0] <= 5, "of 60 batches and as many chunks"


class Stop(Exception):  # noqa: N818
    """What a kill looks like from inside."""


def test_a_pass_goes_on_with_the_shard_where_it_stopped(toy, on_access, tmp_path, monkeypatch):
    monkeypatch.setattr(chunks_module, "LEFT", 0)
    monkeypatch.setattr(journal, "EVERY", 0)
    train = on_access.train
    alone = Observed(train=replace(train, source=replace(train.source, workers=0)))
    looks, chunk = [], Walk._chunk

    def looked(self, batch):
        looks.append(len(batch.rows))
        if len(looks) == stop:
            raise Stop
        return chunk(self, batch)

    def run(folder):
        with journal.kept_by(journal.Journal(tmp_path / folder)):
            return judged(toy, alone, batch_size=50)

    stop = 0
    undisturbed = run("whole")
    monkeypatch.setattr(Walk, "_chunk", looked)
    run("counted")
    passes_of_12 = len(looks)
    for stopped in (5, 17, 29, 41):  # in the sums, the notes, the moments and the differences
        looks.clear()
        stop, folder = stopped, f"stopped{stopped}"
        with pytest.raises(Stop):
            run(folder)
        stop = 0
        looks.clear()
        again = run(folder)
        assert len(looks) == passes_of_12 - stopped + 2, "and a glance at two samples"
        for one, two in zip(again[:2], undisturbed[:2], strict=True):
            assert torch.equal(one.total, two.total)
            assert one.cost.samples_seen == two.cost.samples_seen
        assert torch.equal(again[2].quality, undisturbed[2].quality)


@pytest.mark.parametrize(
    ("place", "name"), [(Sums, "add"), (Readout, "said"), (_Moments, "add"), (Statistics, "differences")]
)
def test_an_interruption_of_what_is_remembered_is_not_paid_for(
    toy, on_access, tmp_path, monkeypatch, place, name
):
    monkeypatch.setattr(journal, "EVERY", 0)

    def run(folder):
        with journal.kept_by(journal.Journal(tmp_path / folder)):
            return judged(toy, on_access, batch_size=50)

    usual, calls = getattr(place, name), []

    def stopped(*given, **named):
        calls.append(name)
        if len(calls) == 5:
            raise Stop
        return usual(*given, **named)

    undisturbed = run("whole")
    monkeypatch.setattr(place, name, stopped)
    with pytest.raises(Stop):
        run("stopped")
    again = run("stopped")
    for one, two in zip(again[:2], undisturbed[:2], strict=True):
        assert torch.equal(one.total, two.total)
    paid = [sum(each.cost.samples_seen for each in found[:2]) for found in (again, undisturbed)]
    assert paid == [600, 600]
    assert torch.equal(again[2].quality, undisturbed[2].quality)


def test_a_remembered_walk_goes_on_at_any_row(toy):
    walk = Readout(own=1.0).walk(toy.trained, toy.observed)
    whole = torch.cat([chunk.features for chunk in walk])
    later = list(walk.since(300))
    assert np.concatenate([chunk.rows for chunk in later]).tolist() == list(range(300, 600))
    assert torch.equal(torch.cat([chunk.features for chunk in later]), whole[300:])
    assert all(len(chunk.log_probs) == len(chunk.labels) == len(chunk.moments) for chunk in later)


def test_large_samples_come_a_few_at_a_time(toy, on_access):
    kind = replace(on_access.train.kind, shape=(3, 1024, 1024))
    assert replace(on_access.train, kind=kind).at_once(256) == 2
    assert on_access.train.at_once(256) == 256
    assert replace(toy.observed.train, kind=kind).at_once(256) == 21, "in memory there is more room"
