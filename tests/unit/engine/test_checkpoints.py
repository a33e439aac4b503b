"""Where learning stands is found again only as all trainers have written it."""

import pytest
import torch

from unchaff.engine import Here, Plan, checkpoints, found
from unchaff.engine.begun import Begin
from unchaff.engine.checkpoints import Checkpoints
from unchaff.engine.repairing import repair
from unchaff.engine.stage import Place
from unchaff.engine.store import Store
from unchaff.journal import State
from unchaff.train import loop

CPU = torch.device("cpu")


def trainers(folder, count):
    store = Store(str(folder))
    return [
        Checkpoints(store, "learning", Place(rank, count, CPU)).entry("fine-tune") for rank in range(count)
    ]


def state(step, rank):
    tensors = {"learner.weight": torch.full((2,), float(step)), "random.ordering": torch.tensor([rank])}
    return State(tensors, {"step": step})


def test_the_last_step_that_all_have_written_is_found_and_each_finds_its_own_order(tmp_path):
    one, two = trainers(tmp_path, 2)
    assert one.found() is None
    one.keep(state(10, 0))
    assert one.found() is None, "the other has not written"
    two.keep(state(10, 1))
    one.keep(state(20, 0))
    for rank, each in enumerate((one, two)):
        read = each.found()
        assert read.about["step"] == 10
        assert read.tensors["learner.weight"].tolist() == [10.0, 10.0]
        assert read.tensors["random.ordering"].tolist() == [rank]
    two.keep(state(20, 1))
    assert two.found().about["step"] == 20
    file = tmp_path / "learning" / "fine-tune" / "000000020-1-of-2.safetensors"
    content = bytearray(file.read_bytes())
    content[-1] ^= 0xFF
    file.write_bytes(bytes(content))
    assert one.found().about["step"] == 10, "a broken one is passed over"


def test_weights_are_written_once_and_old_steps_are_deleted(tmp_path):
    one, two = trainers(tmp_path, 2)
    for step in (10, 20, 30):
        one.keep(state(step, 0))
        two.keep(state(step, 1))
    names = sorted(path.name for path in (tmp_path / "learning" / "fine-tune").iterdir())
    assert [name.partition(".")[0] for name in names] == [
        f"{step:09d}-{rank}-of-2" for step in (20, 30) for rank in (0, 1)
    ]
    assert set(Store(str(tmp_path)).state("learning/fine-tune/" + names[1])[0]) == {"random.ordering"}


def test_another_number_of_trainers_begins_the_part_anew(tmp_path):
    for rank, each in enumerate(trainers(tmp_path, 2)):
        each.keep(state(10, rank))
    three = trainers(tmp_path, 3)
    assert all(each.found() is None for each in three)
    for step in (2, 4, 6):
        for rank, each in enumerate(three):
            each.keep(state(step, rank))
    assert three[0].found().about["step"] == 6, "what is left of the others is no reason to delete ours"


def test_learning_goes_on_with_the_epoch_where_it_was_stopped(world, tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoints, "EVERY", 0.0)
    steps, usual = [], loop.Training._take

    def counted(training, batch):
        steps.append(training.step)
        usual(training, batch)

    def stopped(training, batch):
        if len(steps) == 100:
            raise KeyboardInterrupt
        counted(training, batch)

    def repaired(out, **how):
        rows = found(str(world.folder), world.options, Here())
        return repair(rows, world.trained, str(out), Here(), Plan(), Begin(**how))

    monkeypatch.setattr(loop.Training, "_take", counted)
    whole, number = repaired(tmp_path / "whole"), len(steps)
    assert number > 150
    steps.clear()
    monkeypatch.setattr(loop.Training, "_take", stopped)
    with pytest.raises(KeyboardInterrupt):
        repaired(tmp_path / "run")
    assert any((tmp_path / "run" / "unfinished").glob("learning-*/fine-tune/*"))
    monkeypatch.setattr(loop.Training, "_take", counted)
    again = repaired(tmp_path / "run", resume=True)
    assert number < len(steps) < number + 60, "no more than an epoch is done twice"
    assert steps[100] > 0
    for name, each in whole.model.state_dict().items():
        assert torch.equal(each, again.model.state_dict()[name]), name
