import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from unchaff import Recorder, from_arrays
from unchaff.attribute.trajectory import Trajectory
from unchaff.errors import DataError
from unchaff.recording.matching import matched
from unchaff.records import Observed, Trained
from unchaff.streams import Streams

LABELS = torch.tensor([0, 1, 0, 1])


@pytest.fixture
def samples():
    """Four samples with the ids 10, 20, 30 and 40."""
    return from_arrays(
        [[0.0, 1.0], [2.0, 3.0], [4.0, 5.0], [6.0, 7.0]], LABELS, ids=np.array([10, 20, 30, 40])
    )


def record(folder, epochs, labels=None, rank=0):
    """Write epochs of {id: margin}."""
    recorder = Recorder(folder, rank=rank, resume=True)
    for margins in epochs:
        given = torch.tensor(
            [(labels or dict(zip((10, 20, 30, 40), LABELS.tolist(), strict=True)))[one] for one in margins]
        )
        own = torch.tensor(list(margins.values()))
        logits = torch.where(torch.arange(2) == given[:, None], own[:, None], 0.0)
        recorder.update(list(margins), logits, given)
        recorder.end_epoch()


def test_the_area_under_hand_made_margins(tmp_path, samples):
    record(tmp_path / "r", [{40: 1.0, 10: -2.0, 20: 3.0, 30: 0.5}, {30: 1.5, 20: 5.0, 10: -4.0}])
    found = matched(tmp_path / "r", samples)
    nan = float("nan")
    expected = torch.tensor([[-2.0, 3.0, 0.5, 1.0], [-4.0, 5.0, 1.5, nan]])
    torch.testing.assert_close(found.record.margins, expected, equal_nan=True)
    assert found.said == f"{tmp_path / 'r'} covers 4 of 4 samples, over 2 epochs."
    trained = Trained(model=torch.nn.Linear(2, 2), record=found.record)
    area = Trajectory()(trained, Observed(train=samples), streams=Streams(0))
    assert area.total.tolist() == [-3.0, 4.0, 1.0, 1.0]


def test_processes_are_put_together_and_the_lowest_counts(tmp_path, samples):
    record(tmp_path / "r", [{10: 9.0, 30: 3.0}], rank=1)  # 10 filled up the last batch there
    record(tmp_path / "r", [{10: 1.0, 20: 2.0}], rank=0)
    found = matched(tmp_path / "r", samples)
    assert found.record.margins.nan_to_num(-1).tolist() == [[1.0, 2.0, 3.0, -1.0]]
    assert found.said.endswith("1 are not in the record, such as 40.")


def test_a_single_file_is_read_too(tmp_path, samples):
    record(tmp_path / "r", [{10: 1.0, 20: 2.0, 30: 3.0}, {10: 4.0, 20: 5.0, 30: 6.0}])
    whole = pa.concat_tables([pq.read_table(file) for file in sorted((tmp_path / "r").iterdir())])
    pq.write_table(whole, tmp_path / "whole.parquet")
    found = matched(tmp_path / "whole.parquet", samples).record.margins
    assert torch.equal(found[:, :3], matched(tmp_path / "r", samples).record.margins[:, :3])


def test_what_was_recorded_with_another_label_says_nothing(tmp_path, samples):
    record(tmp_path / "r", [{10: 1.0, 20: 2.0, 30: 3.0}], labels={10: 0, 20: 1, 30: 1})
    found = matched(tmp_path / "r", samples)
    assert found.record.margins.isfinite().tolist() == [[True, True, False, False]]
    assert "1 were recorded with another label, such as 30." in found.said


def test_too_little_is_refused_and_told(tmp_path, samples):
    record(tmp_path / "r", [{10: 1.0, 77: 2.0, 78: 1.0}], labels={10: 0, 77: 1, 78: 1})
    with pytest.raises(DataError) as caught:
        matched(tmp_path / "r", samples)
    said = str(caught.value)
    for part in (
        "covers 1 of 4",
        "3 are not in the record, such as 20",
        "2 of the record are not",
        "such as 77",
        "50%",
    ):
        assert part in said


def test_ids_of_another_kind(tmp_path, samples):
    record(tmp_path / "r", [{"a": 2.0}], labels={"a": 0})
    with pytest.raises(DataError, match="ids such as 'a', the data such as 10"):
        matched(tmp_path / "r", samples)


def written(path, **columns):
    pq.write_table(pa.table(columns), path)
    return path


GOOD = {"epoch": [0], "id": [10], "label": [0], "margin": [1.0]}


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({name: each for name, each in GOOD.items() if name != "margin"}, "column margin is missing"),
        (GOOD | {"id": [None]}, "column id has 1 empty"),
        (GOOD | {"margin": ["much"]}, "cannot be read as a record"),
        (GOOD | {"epoch": [None]}, "column epoch has 1 empty"),
        ({name: pa.array(each)[:0] for name, each in GOOD.items()}, "holds no epoch"),
    ],
    ids=["column", "empty id", "text", "no epoch", "no row"],
)
def test_a_file_that_is_no_record(tmp_path, samples, columns, message):
    with pytest.raises(DataError, match=message):
        matched(written(tmp_path / "r.parquet", **columns), samples)


def test_no_record_at_all(tmp_path, samples):
    with pytest.raises(DataError, match="There is no record"):
        matched(tmp_path / "nowhere", samples)
    with pytest.raises(DataError, match="holds no epoch"):
        matched(tmp_path, samples)
    (tmp_path / "cut.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(DataError, match="cannot be read as a record"):
        matched(tmp_path / "cut.parquet", samples)
