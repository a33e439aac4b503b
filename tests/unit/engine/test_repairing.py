"""Repair unit by unit: the network gets better, a stopped run goes on, and trainers agree."""

import os
import signal
from dataclasses import replace
from unittest.mock import patch

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from unchaff.data import digits
from unchaff.data.tables import encoded
from unchaff.engine import Begin, Here, Plan, checkpoints, found, repair
from unchaff.engine.deciding import Decision
from unchaff.engine.learning import Kept
from unchaff.engine.passes import Look
from unchaff.engine.stage import Place
from unchaff.engine.store import Store
from unchaff.errors import ConfigError, DataError, RunFolderError
from unchaff.evaluate.accuracy import score as accuracy_of
from unchaff.methods.unlearn import Unlearn
from unchaff.records import Observed
from unchaff.runs.weights import load_weights
from unchaff.streams import Streams
from unchaff.train import loop
from unchaff.whole import parquet


class Stopped(Here):
    """Works here, and is stopped before it learns for the so-manieth time."""

    def __init__(self, after=9):
        self.learned, self._after = 0, after

    def together(self, work, store):
        if self.learned == self._after:
            raise KeyboardInterrupt
        self.learned += 1
        super().together(work, store)


class Planned(Here):
    """Keeps the plan of learning, and learns nothing."""

    def together(self, work, store):
        self.schedule = work.schedule
        raise KeyboardInterrupt


def repaired(world, out, engine=None, spec=None, plan=None, **how):
    engine = engine or Here()
    rows = found(spec or str(world.folder), world.options, engine)
    return repair(rows, world.trained, str(out), engine, plan, Begin(**how))


def accuracy(model):
    return accuracy_of(model, digits()[1]).accuracy


def test_the_network_gets_better_as_in_one_process(world, tmp_path):
    done = repaired(world, tmp_path / "run")
    alone = Unlearn()(world.trained, Observed(train=world.samples), streams=Streams(0))
    assert accuracy(done.model) > accuracy(world.trained.model) + 0.05
    assert accuracy(done.model) == pytest.approx(accuracy(alone.model), abs=0.03)
    assert done.scored.kept == pytest.approx(int(alone.partition.kept.sum()), rel=0.05)
    assert 0.05 < done.share < 0.4
    state = load_weights(tmp_path / "run" / "model.safetensors")
    assert all(torch.equal(each, state[name]) for name, each in done.model.state_dict().items())
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == [
        "model.safetensors", "quality", "summary.json",
    ]  # fmt: skip


@pytest.mark.parametrize("after", [0, 1])
def test_a_stopped_repair_goes_on_and_ends_alike(world, tmp_path, after):
    whole = repaired(world, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        repaired(world, tmp_path / "run", Stopped(after))
    engine = Stopped()
    again = repaired(world, tmp_path / "run", engine, resume=True)
    assert engine.learned == 2 - after
    for name, each in whole.model.state_dict().items():
        assert torch.equal(each, again.model.state_dict()[name]), name
    told = repaired(world, tmp_path / "run", Stopped(0), resume=True)
    assert told.share == again.share
    assert torch.equal(next(told.model.parameters()), next(again.model.parameters()))
    with pytest.raises(RunFolderError, match=r"budget was 0\.25 and is 0\.5"):
        repaired(world, tmp_path / "run", resume=True, plan=Plan(budget=0.5))


def test_how_often_samples_come_back_is_counted_over_all_rows(world, tmp_path, monkeypatch):
    def planned(name):
        engine = Planned()
        with pytest.raises(KeyboardInterrupt):
            repaired(world, tmp_path / name, engine)
        return engine.schedule

    plan = planned("run")
    passes = sum(plan.steps) * plan.batch_size / len(world.samples)
    for long, reach in ((1.01 * passes, 1 / 16), (0.99 * passes, 1 / 8)):
        monkeypatch.setattr("unchaff.methods.finetune.LONG", long)
        assert planned(f"run-{long}").reach == reach


def test_without_noise_the_network_stays_as_it_is(world, tmp_path):
    (tmp_path / "clean.parquet").write_bytes(parquet(encoded(digits()[0], {})))
    done = repaired(world, tmp_path / "run", Stopped(0), spec=str(tmp_path / "clean.parquet"))
    assert done.scored.abstained
    assert torch.equal(next(done.model.parameters()), next(world.trained.model.parameters()))
    assert len(list((tmp_path / "run" / "quality").iterdir())) == 9


def test_a_later_look_that_finds_no_noise_leaves_the_network_as_it_was(world, tmp_path, monkeypatch):
    seen, usual = [], Decision.of

    def sees_none(by, counted, names):
        seen.append(usual(by, counted, names))
        return seen[-1] if len(seen) == 1 else replace(seen[-1], keeps_all=True)

    monkeypatch.setattr(Decision, "of", sees_none)
    done = repaired(world, tmp_path / "run", plan=Plan(budget=0.5))
    assert [each.keeps_all for each in seen] == [False, False], "there is noise, and it is not seen again"
    assert done.scored.abstained
    assert done.share > 0.1, "what was learned is paid for"
    for name, each in world.trained.model.state_dict().items():
        assert torch.equal(each, done.model.state_dict()[name]), name
    assert done.model is not world.trained.model
    table = pq.read_table(tmp_path / "run" / "quality")
    assert table["kept"].to_numpy().all()
    assert len(table) == 1347


def test_trainers_share_the_kept_samples_and_none_is_left_out(world, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        repaired(world, tmp_path / "run", Stopped(0))
    rows = found(str(world.folder), world.options, Here())
    kept = Kept(rows.rows, rows.units, Store(str(tmp_path / "run")), Look(1, is_last=False))
    shares = [kept.of(Place(rank, 4, torch.device("cpu"))) for rank in range(4)]
    whole = kept.of(Place(0, 1, torch.device("cpu")))
    np.testing.assert_array_equal(np.sort(np.concatenate([each.ids for each in shares])), whole.ids)
    np.testing.assert_array_equal(whole.ids, world.split.kept_ids)
    assert torch.equal(whole.labels, world.samples.select(whole.ids).labels)
    first, same = next(whole.batches(50)).inputs, next(world.samples.select(whole.ids).batches(50)).inputs
    assert torch.equal(first, same)
    with pytest.raises(DataError, match="fewer --trainers"):
        kept.of(Place(11, 12, torch.device("cpu")))


def test_a_budget_that_cannot_be_is_refused():
    with pytest.raises(ConfigError, match="budget"):
        Plan(budget=0)


class Dies:
    """Work in which one trainer is killed once, at its beginning or at a step; its steps are noted."""

    def __init__(self, work, folder, step):
        self.work, self.died, self.steps, self.step = work, folder / "died", folder / "steps", step

    def __call__(self, place):
        usual = loop.Training._take

        def take(training, batch):
            if place.rank == 0:
                self._dies(at=training.step)
                with self.steps.open("a") as file:
                    file.write(f"{training.step}\n")
            usual(training, batch)

        with patch.object(checkpoints, "EVERY", 0.0), patch.object(loop.Training, "_take", take):
            if place.rank == 0:
                self._dies(at=None)
            self.work(place)

    def _dies(self, at):
        if at == self.step and not self.died.exists():
            self.died.touch()
            os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("step", [None, 60])
def test_two_trainers_learn_as_one_does_and_outlive_the_death_of_one(world, tmp_path, step, ends_within):
    ends_within(400)
    ray = pytest.importorskip("ray", reason="Ray is an extra")
    from unchaff.engine import Ray

    class Deadly(Ray):
        def together(self, work, store):
            super().together(Dies(work, tmp_path, step), store)

    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    try:
        with Deadly(scorers=1, trainers=2) as engine:
            done = repaired(world, tmp_path / "run", engine)
    finally:
        ray.shutdown()
    assert (tmp_path / "died").exists()
    if step is not None:
        steps = [int(line) for line in (tmp_path / "steps").read_text().splitlines()]
        assert steps[:step] == [*range(step)]
        assert 0 < steps[step] < step, "it went on from a checkpoint"
    alone = repaired(world, tmp_path / "alone")
    assert accuracy(done.model) == pytest.approx(accuracy(alone.model), abs=0.03)
    assert done.scored.kept == pytest.approx(alone.scored.kept, rel=0.05)
