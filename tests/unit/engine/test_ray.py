"""A Ray cluster gives the same answer, outlives the death of its workers, and does not hang."""

import os
import signal
import subprocess
import sys
import time
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from unchaff import noise
from unchaff.attribute.readout import Readout
from unchaff.data import Options, load
from unchaff.data.tables import encoded
from unchaff.engine import Begin, Here, Ray, found, score
from unchaff.engine.ray import largest
from unchaff.engine.stage import Stage, reading_only
from unchaff.engine.store import Store
from unchaff.engine.trainers import Trainers, told
from unchaff.engine.units import Unit
from unchaff.errors import ConfigError, DataError, EngineError
from unchaff.nets.build import build
from unchaff.partition.transition import Transition
from unchaff.records import Observed, Recipe, Trained
from unchaff.runs.weights import to_bytes
from unchaff.streams import Streams
from unchaff.train.initial import train_initial
from unchaff.whole import parquet

pytest.importorskip("ray", reason="Ray is an extra")
pytestmark = pytest.mark.filterwarnings("ignore")  # those of Ray and of its libraries are not ours
UNITS = [Unit(place, "", 0, 1, place) for place in range(12)]
LIMIT = 240  # seconds for one test


@pytest.fixture(autouse=True)
def _no_hang(ends_within):
    ends_within(LIMIT)


@pytest.fixture(scope="module")
def cluster():
    import ray

    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    yield ray
    ray.shutdown()


class Doubles:
    """A worker that looks; its process dies in the middle of a unit, once."""

    def __init__(self, dies_at=None, mark=None):
        self.dies_at, self.mark = dies_at, mark

    def placed(self, device):
        assert str(device) == "cpu"
        return self

    def __call__(self, number):
        if number == self.dies_at and not Path(self.mark).exists():
            Path(self.mark).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return 2 * number


def number(unit):
    return unit.number


def sleeps(unit):
    time.sleep(20 + unit.number)  # what is left of it does not hold the CPUs of the next test for long


DOUBLING = Stage("double", number, Doubles(), on_device=True)


def refuses(unit):
    if unit.number == 7:
        raise DataError(f"unit {unit.number} is broken")
    return unit.number


@pytest.mark.parametrize("scorers", [1, 2])
def test_results_come_in_order_and_each_once(cluster, scorers):
    with Ray(scorers=scorers) as engine:
        assert list(engine.run(Stage("double", number, Doubles(), on_device=True), UNITS)) == [
            *range(0, 24, 2)
        ]
        assert list(engine.run(reading_only("read", number), UNITS)) == [*range(12)]
        assert list(engine.run(reading_only("read", number), [])) == []
    assert cluster.is_initialized(), "what was joined before stays joined"


@pytest.mark.usefixtures("cluster")
def test_a_worker_that_dies_is_replaced_and_no_result_is_lost_or_there_twice(tmp_path):
    mark = str(tmp_path / "died")
    with Ray(scorers=1) as engine:
        done = list(engine.run(Stage("double", number, Doubles(5, mark), on_device=True), UNITS))
    assert done == [*range(0, 24, 2)]
    assert Path(mark).exists()


@pytest.mark.usefixtures("cluster")
def test_what_is_wrong_with_the_data_is_said_as_it_is_here():
    with Ray(scorers=1) as engine, pytest.raises(DataError, match=r"^unit 7 is broken$"):
        list(engine.run(reading_only("read", refuses), UNITS))


@pytest.mark.usefixtures("cluster")
def test_nodes_that_never_come_are_not_waited_for_for_ever():
    began = time.monotonic()
    with Ray(scorers=64, patience=1.5) as many, pytest.raises(EngineError, match="64 workers need"):
        list(many.run(DOUBLING, UNITS))
    with Ray(device="cuda", patience=1.5) as gpus, pytest.raises(EngineError, match="1 GPUs, and after"):
        list(gpus.run(DOUBLING, UNITS))
    assert time.monotonic() - began < 30


@pytest.mark.parametrize(
    ("nodes", "workers", "each"),
    [([2], 1, 1.0), ([2], 2, 0.75), ([2], 4, 0.35), ([8], 8, 0.9), ([1, 1, 1, 1], 4, 0.5), ([4, 0], 4, 0.85),
     ([2], 64, 0.0), ([0.5], 1, 0.0), ([], 1, 0.0)],
)  # fmt: skip
def test_workers_leave_one_node_what_reading_needs(nodes, workers, each):
    assert largest(nodes, workers) == each
    if each:
        room = [int(100 * cpus) for cpus in sorted(nodes)]
        room[-1] -= 50
        assert sum(cpus // round(100 * each) for cpus in room) >= workers


@pytest.mark.usefixtures("cluster")
def test_a_stage_that_stands_still_is_ended():
    with Ray(scorers=1, silence=8) as engine, pytest.raises(EngineError, match=r"for 8 s.*--ray-silence"):
        list(engine.run(reading_only("asleep", sleeps), UNITS[:2]))


@dataclass(frozen=True)
class Fails:
    """Work that ends in an error."""

    error: Exception

    def __call__(self, place):
        raise self.error


@pytest.mark.slow
@pytest.mark.usefixtures("cluster")
def test_learning_that_fails_again_and_again_is_said_in_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr("unchaff.engine.trainers.TRIES", 1)
    store = Store(str(tmp_path))
    with Ray(trainers=1) as engine:
        with pytest.raises(EngineError, match=r"Learning failed on the cluster: .*it cannot.*--resume"):
            engine.together(Fails(ValueError("it cannot")), store)
        with pytest.raises(DataError, match=r"^there is nothing to learn from$"):
            engine.together(Fails(DataError("there is nothing to learn from")), store)


class Unlucky:
    """Ray Train whose trainers die while they are being started: what was reserved for them stays so."""

    def __init__(self, ray, deaths):
        self.ray, self.deaths, self.reserved = ray, deaths, []

    def fit(self):
        from ray.train.v2.api.exceptions import ControllerError

        self.reserved.append(self.ray.util.placement_group([{"CPU": 1.5}]))
        assert self.reserved[-1].wait(60), "nothing else has taken what it needs"
        if len(self.reserved) <= self.deaths:
            raise ControllerError(self.ray.exceptions.RayActorError())


@pytest.mark.parametrize("deaths", [1, 3])
def test_what_was_reserved_for_trainers_that_died_is_given_back(cluster, tmp_path, monkeypatch, deaths):
    """Before, those that were begun again waited for it for ever."""
    unlucky, ours = Unlucky(cluster, deaths), cluster.util.placement_group([{"CPU": 0.1}])
    monkeypatch.setattr(Trainers, "_trainer", lambda *_: unlucky)
    with Ray(trainers=1) as engine:
        with pytest.raises(EngineError, match="Learning failed") if deaths == 3 else nullcontext():
            engine.together(print, Store(str(tmp_path)))
        table = cluster.util.placement_group_table()
        states = [table[each.id.hex()]["state"] for each in unlucky.reserved]
        assert states == ["REMOVED"] * min(deaths + 1, 3)
        assert table[ours.id.hex()]["state"] == "CREATED"
    cluster.util.remove_placement_group(ours)


@pytest.mark.slow
def test_trainers_for_which_there_is_no_room_are_not_waited_for_for_ever(cluster, tmp_path):
    taken = cluster.util.placement_group([{"CPU": 1.8}])
    assert taken.wait(10)
    try:
        with Ray(trainers=1, patience=5) as engine, pytest.raises(EngineError, match=r"timed out.*--resume"):
            engine.together(print, Store(str(tmp_path)))
    finally:
        cluster.util.remove_placement_group(taken)


def test_settings_that_cannot_be_are_refused():
    with pytest.raises(ConfigError, match="scorers"):
        Ray(scorers=0)
    with pytest.raises(ConfigError, match="patience"):
        Ray(patience=0)
    with pytest.raises(EngineError, match="Not connected"):
        list(Ray().run(reading_only("read", number), UNITS))


def scored(world, out, engine, **how):
    rows = found(str(world.folder), world.options, engine)
    return score(rows, world.trained, str(out), engine, Begin(**how))


def kept_of(folder):
    table = pq.read_table(f"{folder}/quality")
    return table["id"].to_numpy(), table["kept"].to_numpy(), table["quality"].to_numpy()


def assert_same(first, second):
    assert len(np.unique(first[0])) == len(first[0])
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("scorers", [1, *(pytest.param(n, marks=pytest.mark.slow) for n in (2, 4))])
@pytest.mark.usefixtures("cluster")
def test_however_many_workers_the_answer_is_the_same(world, tmp_path, scorers):
    scored(world, tmp_path / "here", Here())
    with Ray(scorers=scorers) as engine:
        scored(world, tmp_path / "ray", engine)
    assert_same(kept_of(tmp_path / "here"), kept_of(tmp_path / "ray"))


@pytest.mark.slow
@pytest.mark.usefixtures("cluster")
def test_photographs_are_decided_as_in_one_process_by_any_number_of_workers(shared_data, tmp_path):
    streams = Streams(0)
    given = load(str(shared_data / "cifar10" / "train.parquet"), Options(rows=5_000)).train
    samples = noise.parse("symmetric:0.4")(given, streams=streams)[0]
    (tmp_path / "photographs.parquet").write_bytes(parquet(encoded(samples, {})))
    model = build("small-cnn", samples, streams=streams)
    fitted = train_initial(model, samples, Recipe(epochs=4, batch_size=128), streams=streams)
    trained = Trained(model=fitted.model.eval())
    split = Transition()(Readout()(trained, Observed(train=samples), streams=streams))
    assert 0.2 < split.kept_share < 0.9
    for scorers in (1, 2, 4):
        with Ray(scorers=scorers) as engine:
            rows = found(str(tmp_path / "photographs.parquet"), Options(), engine)
            score(rows, trained, str(tmp_path / f"by-{scorers}"), engine)
        ids, kept, quality = kept_of(tmp_path / f"by-{scorers}")
        np.testing.assert_array_equal(ids, split.ids)
        assert int((kept != split.kept.numpy()).sum()) <= 5, "one in a thousand"
        np.testing.assert_allclose(quality, split.quality.numpy(), atol=1e-4)


DRIVER = """
import sys
from unchaff.cli.app import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.slow
def test_a_driver_that_is_killed_goes_on_when_it_is_started_again(world, tmp_path, cluster):
    cluster.shutdown()
    (tmp_path / "model.safetensors").write_bytes(to_bytes(world.trained.model.state_dict()))
    words = ["score", str(world.folder), "--model", "mlp", "--weights", str(tmp_path / "model.safetensors")]
    words += ["--engine", "ray", "--scorers", "1", "--out", str(tmp_path / "run"), "--device", "cpu"]
    begun = subprocess.Popen([sys.executable, "-c", DRIVER, *words], start_new_session=True)  # noqa: S603 - ours
    shards = tmp_path / "run" / "unfinished" / "evidence-1"
    while not (shards.is_dir() and any(shards.iterdir())):
        assert begun.poll() is None, "it ended before it could be killed"
        time.sleep(0.02)
    os.killpg(begun.pid, signal.SIGKILL)
    begun.wait()
    done = subprocess.run([sys.executable, "-c", DRIVER, *words, "--resume"], check=False)  # noqa: S603 - ours
    assert done.returncode == 0
    scored(world, tmp_path / "here", Here())
    assert_same(kept_of(tmp_path / "here"), kept_of(tmp_path / "run"))


@pytest.mark.parametrize(
    ("said", "told_as"),
    [
        ("Training failed due to controller error:\nIt timed out.\nMore of it.", "It timed out"),
        ("Traceback (most recent call last):\n  File ...\nValueError: it cannot.", "ValueError: it cannot"),
        ("", "RuntimeError"),
        ("only this:", "only this:"),
    ],
)
def test_an_error_is_told_by_the_line_that_says_what_it_is(said, told_as):
    assert told(RuntimeError(said)) == told_as
