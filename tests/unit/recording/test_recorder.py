import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from unchaff import Recorder
from unchaff.errors import ConfigError, DataError, ModelError, WriteError
from unchaff.recording.shards import read

LOGITS = torch.tensor([[1.0, 4.0, 2.0], [5.0, 2.0, 0.5]])


def rows_of(folder):
    return [
        (shard.epoch, dict(zip(shard.ids.tolist(), shard.margins.tolist(), strict=True)))
        for shard in read(folder)
    ]


def test_what_is_written_of_each_sample(tmp_path):
    recorder = Recorder(tmp_path / "r")
    recorder.update([7, 3], LOGITS, torch.tensor([0, 0]))
    assert not (tmp_path / "r").exists(), "an epoch is written when it is whole"
    recorder.end_epoch()
    recorder.end_epoch()  # nothing was seen: nothing is written
    (file,) = (tmp_path / "r").iterdir()
    table = pq.read_table(file).to_pydict()
    losses = torch.nn.functional.cross_entropy(LOGITS, torch.tensor([0, 0]), reduction="none").tolist()
    assert file.name == "epoch-00000.rank-000.parquet"
    assert table == {
        "epoch": [0, 0],
        "id": [3, 7],
        "label": [0, 0],
        "margin": [3.0, -3.0],
        "loss": [losses[1], losses[0]],
        "correct": [True, False],
    }


def test_of_an_id_that_comes_twice_in_an_epoch_the_first_counts(tmp_path):
    recorder = Recorder(tmp_path / "r")
    recorder.update(["b", "a"], LOGITS, torch.tensor([1, 0]))
    recorder.update(["c", "b"], LOGITS, torch.tensor([1, 1]))  # as a last batch that is filled up
    recorder.end_epoch()
    assert rows_of(tmp_path / "r") == [(0, {"a": 3.0, "b": 2.0, "c": 2.0})]


@pytest.mark.parametrize(
    "ids",
    [torch.tensor([4, 9]), np.array([4, 9], dtype=np.int32), (4, 9), [np.int64(4), torch.tensor(9)]],
    ids=["tensor", "array", "tuple", "mixture"],
)
def test_ids_of_many_forms(tmp_path, ids):
    recorder = Recorder(tmp_path / "r")
    recorder.update(ids, {"logits": LOGITS.bfloat16()}, torch.tensor([1, 0]))
    recorder.end_epoch()
    assert rows_of(tmp_path / "r") == [(0, {4: 2.0, 9: 3.0})]


def test_what_is_noted_later_changes_nothing_of_before(tmp_path):
    recorder, ids, logits = Recorder(tmp_path / "r"), torch.tensor([4, 9]), LOGITS.clone()
    recorder.update(ids, logits, torch.tensor([1, 0]))
    ids += 1  # buffers of the loop are used again
    logits += torch.tensor([9.0, 0.0, 0.0])
    recorder.end_epoch()
    assert rows_of(tmp_path / "r") == [(0, {4: 2.0, 9: 3.0})]


def test_a_training_that_goes_on(tmp_path):
    def epoch(recorder, scale, number=None):
        recorder.update([1, 2], scale * LOGITS, torch.tensor([1, 0]))
        recorder.end_epoch(number)

    first = Recorder(tmp_path / "r")
    epoch(first, 1)
    epoch(first, 2)
    with pytest.raises(ConfigError, match="resume=True"):
        Recorder(tmp_path / "r")
    again = Recorder(tmp_path / "r", resume=True)
    epoch(again, 3, 1)  # a repeat replaces
    epoch(again, 4)
    assert rows_of(tmp_path / "r") == [(0, {1: 2.0, 2: 3.0}), (1, {1: 6.0, 2: 9.0}), (2, {1: 8.0, 2: 12.0})]


def test_an_epoch_that_broke_off_is_forgotten(tmp_path):
    recorder = Recorder(tmp_path / "r")
    recorder.update([1, 2], 5 * LOGITS, torch.tensor([1, 0]))
    recorder.discard()
    recorder.update([1], LOGITS[:1], torch.tensor([1]))
    recorder.end_epoch()
    assert rows_of(tmp_path / "r") == [(0, {1: 2.0})]


def test_each_process_writes_a_file_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    one, zero = Recorder(tmp_path / "r"), Recorder(tmp_path / "r", rank=0)
    assert (one.rank, zero.rank) == (1, 0)
    one.update([3], LOGITS[:1], torch.tensor([1]))
    one.end_epoch()
    zero.update([1, 2], LOGITS, torch.tensor([1, 0]))
    zero.end_epoch()
    assert [each[0] for each in rows_of(tmp_path / "r")] == [0, 0]


def test_outputs_that_are_not_finite_count_as_not_seen(tmp_path):
    recorder = Recorder(tmp_path / "r")
    logits = torch.tensor([[float("nan"), 1.0], [float("inf"), 0.0], [2.0, float("-inf")], [3.0, 1.0]])
    recorder.update([0, 1, 2, 3], logits, torch.tensor([0, 0, 0, 0]))
    recorder.end_epoch()
    ((_, margins),) = rows_of(tmp_path / "r")
    assert margins[3] == 2.0
    assert all(np.isnan(margins[row]) for row in (0, 1, 2))


ONES = torch.tensor([1, 1])


@pytest.mark.parametrize(
    ("ids", "logits", "labels", "message"),
    [
        ([1, 2], LOGITS.softmax(1), ONES, "probabilities and no logits"),
        ([1, 2, 3], LOGITS, ONES, "3 ids"),
        ([1, 2], LOGITS, torch.tensor([1]), "lengths differ"),
        ([1, 2], LOGITS, torch.tensor([1, 3]), "run from 1 to 3"),
        ([1, 2], LOGITS, torch.tensor([-1, 1]), "run from -1 to 1"),
        ([1, 2], LOGITS, torch.tensor([0.0, 1.0]), "class numbers"),
        ([1, 2], torch.zeros(2), ONES, "two classes or more"),
        ([1, 2], torch.zeros(2, 1), ONES, "A single output"),
        ([1, 2], torch.zeros(2, 5, 3), ONES, "two classes or more"),
        ([1, "2"], LOGITS, ONES, "got int and str"),
        ([1.0, 2.0], LOGITS, ONES, "got float"),
        ([True, False], LOGITS, ONES, "got bool"),
        ([2**70, 1], LOGITS, ONES, "integers or texts"),
        (torch.tensor([1.0, 2.0]), LOGITS, ONES, "got a tensor of torch.float32"),
        ([], LOGITS, ONES, "got none"),
    ],
)
def test_bad_input_is_refused_and_not_noted(tmp_path, ids, logits, labels, message):
    recorder = Recorder(tmp_path / "r")
    with pytest.raises(DataError, match=message):
        recorder.update(ids, logits, labels)
    recorder.end_epoch()
    assert not (tmp_path / "r").exists()


def test_logarithms_of_probabilities_are_logits(tmp_path):
    recorder = Recorder(tmp_path / "r")
    recorder.update([1, 2], LOGITS.log_softmax(1), torch.tensor([1, 0]))
    recorder.end_epoch()
    assert rows_of(tmp_path / "r") == [(0, {1: pytest.approx(2.0), 2: pytest.approx(3.0)})]


def test_other_things_that_cannot_be(tmp_path):
    recorder = Recorder(tmp_path / "r")
    with pytest.raises(ModelError, match="without logits"):
        recorder.update([1], {"scores": LOGITS}, torch.tensor([1]))
    recorder.update([1, 2], LOGITS, ONES)
    with pytest.raises(ConfigError, match="numbered from 0, got -1"):
        recorder.end_epoch(-1)
    with pytest.raises(ConfigError, match="Name a folder"):
        Recorder(tmp_path / "r.parquet")


def test_ids_of_another_kind_are_refused_and_the_epoch_goes_on(tmp_path):
    recorder = Recorder(tmp_path / "r")
    recorder.update(torch.tensor([1, 2]), LOGITS, ONES)
    with pytest.raises(DataError, match=r"are texts, and .* were integers so far.* or call discard\(\)"):
        recorder.update(["1", "2"], LOGITS, ONES)
    recorder.update([3, 4], LOGITS, ONES)
    recorder.end_epoch()
    assert sorted(rows_of(tmp_path / "r")[0][1]) == [1, 2, 3, 4]
    recorder.update([5, 6], LOGITS, ONES)
    recorder.discard()
    recorder.update(["1", "2"], LOGITS, ONES)
    with pytest.raises(DataError, match="are integers, and"):
        recorder.update([5, 6], LOGITS, ONES)


def test_a_file_that_cannot_be_written_loses_nothing(tmp_path, monkeypatch):
    recorder = Recorder(tmp_path / "r")
    recorder.update([1, 2], LOGITS, ONES)

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("pathlib.Path.write_bytes", full)
        with pytest.raises(WriteError, match="No space left"):
            recorder.end_epoch()
    recorder.end_epoch()
    assert [len(margins) for _, margins in rows_of(tmp_path / "r")] == [2]
