import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from unchaff.data.dataset import from_arrays
from unchaff.data.load import load
from unchaff.data.options import Options
from unchaff.errors import NoiseError
from unchaff.noise import parse, realised
from unchaff.streams import Streams


def plant(tmp_path, table, ids=None, column="worse"):
    clean = from_arrays(torch.zeros(4, 1), [0, 1, 0, 1], ids=ids)
    pq.write_table(pa.table(table), tmp_path / "labels.parquet")
    return parse(f"human:{tmp_path / 'labels.parquet'}:{column}")(clean, streams=Streams(0))


def test_rows_are_matched_by_number(tmp_path):
    noisy, truth = plant(tmp_path, {"worse": [1, 1, 0, 0, 1]})
    assert noisy.labels.tolist() == [1, 1, 0, 0]
    assert truth.is_noisy.tolist() == [True, False, False, True]
    assert truth.true_label.tolist() == [0, 1, 0, 1]


def test_rows_are_matched_by_id(tmp_path):
    noisy, _ = plant(tmp_path, {"id": list("dcba"), "worse": [0, 0, 1, 1]}, ids=list("abcd"))
    assert noisy.labels.tolist() == [1, 1, 0, 0]


def test_a_part_of_the_data_takes_its_own_rows(tmp_path):
    pq.write_table(pa.table({"worse": [0, 2, 2, 1, 1, 0]}), tmp_path / "labels.parquet")
    part = from_arrays(torch.zeros(6, 1), [0, 1, 2, 0, 1, 2]).select(np.array([1, 3, 5]))
    noisy, _ = parse(f"human:{tmp_path / 'labels.parquet'}:worse")(part, streams=Streams(0))
    assert noisy.labels.tolist() == [2, 1, 0]


@pytest.mark.parametrize(
    ("table", "ids", "match"),
    [
        ({"other": [0, 0, 0, 0]}, None, "has no column 'worse'. It has other"),
        ({"worse": [0, 0, 0]}, None, "has no row for 1 of 4 samples"),
        ({"worse": [0, 0, 0, 2]}, None, "runs from 0 to 2, the data have 2 classes"),
        ({"worse": [0, 0, 0, None]}, None, "one integer label in each row"),
        ({"worse": [0, 0, 0, 0]}, list("abcd"), "has no id column"),
        ({"id": [0, 1, 2, 3], "worse": [0, 0, 0, 0]}, list("abcd"), "The ids of .* are int64"),
    ],
)
def test_what_does_not_fit_is_named(tmp_path, table, ids, match):
    with pytest.raises(NoiseError, match=match):
        plant(tmp_path, table, ids)


def test_no_file_is_named(tmp_path):
    with pytest.raises(NoiseError, match="cannot be read as Parquet"):
        parse(f"human:{tmp_path / 'none.parquet'}:worse")(
            from_arrays(torch.zeros(2, 1), [0, 1]), streams=Streams(0)
        )


def test_cifar10n_has_its_published_rate_in_the_first_rows(shared_data):
    clean = load(str(shared_data / "cifar10" / "train.parquet"), Options(rows=500)).train
    noise = parse(f"human:{shared_data / 'cifar10' / 'cifar10n.parquet'}:worse_label")
    noisy, truth = noise(clean, streams=Streams(0))
    assert abs(realised(truth, noisy).rate - 0.402) < 0.06
