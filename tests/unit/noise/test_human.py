import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from unchaff.data import Options, from_arrays, load
from unchaff.errors import NoiseError
from unchaff.noise import parse, realised
from unchaff.noise.human import Human
from unchaff.streams import Streams

LABELS = [0, 1, 2, 0, 1, 2]
GIVEN = [0, 2, 2, 1, 1, 0]


def six(ids):
    return from_arrays(np.arange(12.0).reshape(6, 2), LABELS, ids=ids)


@pytest.fixture
def written(tmp_path):
    def write(**columns):
        pq.write_table(pa.table(columns), tmp_path / "people.parquet")
        return tmp_path / "people.parquet"

    return write


def plant(file, clean, column="given"):
    return Human(file, column)(clean, streams=Streams(0))


def test_rows_are_matched_by_position(written):
    noisy, truth = plant(written(given=GIVEN), six([0, 1, 2, 3, 4, 5]))
    assert noisy.labels.tolist() == GIVEN
    assert truth.true_label.tolist() == LABELS
    assert truth.is_noisy.tolist() == [False, True, False, True, False, True]


def test_a_part_of_the_data_takes_its_own_rows(written):
    noisy, _ = plant(written(given=GIVEN), six(range(6)).select(np.array([1, 3, 5])))
    assert noisy.labels.tolist() == [2, 1, 0]


@pytest.mark.parametrize("ids", [["f", "e", "d", "c", "b", "a"], [60, 50, 40, 30, 20, 10]])
def test_rows_are_matched_by_id_where_there_is_one(written, ids):
    file = written(id=[*ids[3:], *ids[:3]], given=[*GIVEN[3:], *GIVEN[:3]])
    noisy, _ = plant(file, six(ids))
    assert dict(zip(noisy.ids.tolist(), noisy.labels.tolist(), strict=True)) == dict(
        zip(ids, GIVEN, strict=True)
    )


def test_ids_that_are_no_row_numbers_need_an_id_column(written):
    with pytest.raises(NoiseError, match="no id column"):
        plant(written(given=GIVEN), six(list("abcdef")))


@pytest.mark.parametrize(
    ("columns", "column", "message"),
    [
        ({"given": GIVEN}, "other", "no column 'other'. It has given"),
        ({"given": GIVEN[:4]}, "given", "no row for 2 of 6 samples"),
        ({"given": [0, 1, 2, 3, 0, 0]}, "given", "runs from 0 to 3, the data have 3 classes"),
        ({"given": [0, 1, None, 0, 0, 0]}, "given", "integer"),
        ({"given": list("abcabc")}, "given", "integer"),
        ({"given": GIVEN, "id": [0, 1, 2, 3, 4, 9]}, "given", "no row for 1 of 6 samples"),
    ],
)
def test_a_table_that_does_not_fit_is_refused(written, columns, column, message):
    with pytest.raises(NoiseError, match=message):
        plant(written(**columns), six(range(6)), column)


def test_what_is_no_parquet_is_refused(tmp_path):
    with pytest.raises(NoiseError, match=r"cannot be read as Parquet.*human:FILE:COLUMN"):
        plant(tmp_path / "none.parquet", six(range(6)))


def test_cifar_10n_has_its_published_rate(shared_data):
    """40.208 % on all 50,000 rows; here on the first 400, counted from the table itself."""
    loaded = load(str(shared_data / "cifar10" / "train.parquet"), Options(rows=400))
    file = shared_data / "cifar10" / "cifar10n.parquet"
    noisy, truth = parse(f"human:{file}:worse_label")(loaded.train, streams=Streams(0))
    table = pq.read_table(file).slice(0, 400)
    wrong = np.asarray(table["worse_label"]) != np.asarray(table["clean_label"])
    assert realised(truth, noisy).rate == wrong.mean()
    assert torch.equal(truth.is_noisy, torch.from_numpy(wrong))
