"""Columns are found by type and description, and never guessed between several."""

import numpy as np
import pyarrow as pa
import pytest
import torch

from unchaff.data.load import load, load_like
from unchaff.data.options import Options
from unchaff.errors import ConfigError, DataError


def test_names_and_kind_come_from_the_description(image_table):
    loaded = load(image_table)
    assert loaded.train.class_names == ("a", "b")
    assert loaded.train.ids.tolist() == list(range(10))
    assert loaded.found == (
        "10 samples (image 3x6x5) of 2 classes from a Parquet file "
        "(inputs: img; label: label; ids: row numbers)."
    )


@pytest.mark.parametrize("medium", ["image", "audio"])
def test_without_a_description_the_first_file_tells(tmp_path, make, medium):
    files = [make.picture(0), make.picture(1)] if medium == "image" else [make.clip(0), make.clip(1)]
    path = make.table(tmp_path / "t.parquet", {"x": files, "label": [0, 1]}, names=None)
    loaded = load(path)
    assert loaded.train.kind.name == medium
    assert loaded.train.class_names == ("0", "1")


def test_only_the_first_rows_are_read(image_table):
    assert load(image_table, Options(rows=3)).train.ids.tolist() == [0, 1, 2]


def test_a_folder_gives_train_and_test_and_shards_are_one(tmp_path, make):
    for name, count in (("train-00000-of-00002", 4), ("train-00001-of-00002", 3), ("test", 2)):
        files = [make.picture(row) for row in range(count)]
        make.table(tmp_path / f"{name}.parquet", {"img": files, "label": [row % 2 for row in range(count)]})
    loaded = load(str(tmp_path))
    assert loaded.train.ids.tolist() == list(range(7))
    assert len(loaded.test) == 2
    assert len(load(str(tmp_path), Options(rows=5)).train) == 5


def test_files_beside_the_table_are_read_by_their_path(tmp_path, make):
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(make.picture(0))
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    cells = pa.array([{"bytes": None, "path": "a.png"}, {"bytes": None, "path": "b.png"}], kind)
    path = make.table(tmp_path / "t.parquet", {"img": cells, "label": [0, 1]})
    assert len(load(path).train) == 2


def numbers(tmp_path, make, **columns):
    base = {"height": [1.0, 2.0, 3.0, 4.0], "width": [1, 1, 2, 2], "label": [0, 1, 0, 1]}
    return make.table(tmp_path / "t.parquet", base | columns)


def test_numeric_columns_are_tabular_and_stay_as_they_are(tmp_path, make):
    loaded = load(numbers(tmp_path, make, name=["p", "q", "r", "s"]))
    assert loaded.train.kind.name == "tabular"
    assert len(loaded.train.columns) == loaded.train.kind.shape[0]
    inputs = next(loaded.train.batches(4)).inputs
    assert inputs.shape == (4, 2)
    assert torch.equal(inputs, loaded.train.source.raw(np.arange(4)))


def test_rows_with_nan_or_without_label_are_left_out_by_id(tmp_path, make):
    path = numbers(tmp_path, make, height=[1.0, float("nan"), 3.0, 4.0], label=[0, 1, None, 1])
    loaded = load(path)
    assert loaded.train.ids.tolist() == [0, 3]
    assert {one.id: one.reason for one in loaded.skipped} == {
        1: "holds NaN, infinite values or numbers beyond 3.4e38",
        2: "no label",
    }


def test_numbers_beyond_32_bits_are_left_out_as_infinite_ones(tmp_path, make):
    loaded = load(numbers(tmp_path, make, height=[1.0, 1e39, -1e39, 4.0]))
    assert loaded.train.ids.tolist() == [0, 3]
    assert [one.id for one in loaded.skipped] == [1, 2]


def test_columns_that_are_not_used_are_named(tmp_path, make):
    assert "not used: note)" in load(numbers(tmp_path, make, note=["a", "b", "c", "d"])).found
    assert "not used" not in load(numbers(tmp_path, make)).found


def test_a_unique_column_id_gives_the_ids(tmp_path, make):
    loaded = load(numbers(tmp_path, make, id=["d", "b", "c", "a"]))
    assert loaded.train.ids.tolist() == ["a", "b", "c", "d"]
    assert loaded.train.labels.tolist() == [1, 1, 0, 0]
    assert "ids: column id, by its name" in loaded.found


def test_a_repeated_column_id_is_passed_over_and_said_so(tmp_path, make):
    path = numbers(tmp_path, make, id=[7, 7, 8, 9])
    assert load(path).train.ids.tolist() == [0, 1, 2, 3]
    assert "as column id is not unique" in load(path).found
    with pytest.raises(DataError, match="The id 7 occurs 2 times"):
        load(path, Options(id_column="id"))


def test_groups_travel_along(tmp_path, make):
    path = numbers(tmp_path, make, id=[4, 3, 2, 1], who=["x", "y", "x", "y"])
    assert load(path, Options(group_column="who")).train.groups.tolist() == ["y", "x", "y", "x"]


def test_order_of_rows_does_not_matter(tmp_path, make):
    rows = np.array([2, 0, 3, 1])
    columns = {"id": np.arange(4), "x": np.arange(4.0), "label": np.array([0, 1, 1, 0])}
    one = load(make.table(tmp_path / "one.parquet", columns)).train
    other = load(make.table(tmp_path / "two.parquet", {k: v[rows] for k, v in columns.items()})).train
    assert next(one.batches(4)).inputs.tolist() == next(other.batches(4)).inputs.tolist()
    assert one.labels.tolist() == other.labels.tolist()


@pytest.mark.parametrize(
    ("columns", "options", "match"),
    [
        ({"other": [b"x", b"y"], "img": [b"x", b"y"], "label": [0, 1]}, {}, "could be the input: other, img"),
        (
            {"x": [1.0, 2.0], "label": [0, 1]},
            {"label_column": "kind"},
            "no column kind. --label-column can be",
        ),
        ({"x": [1.0, 2.0], "kind": [0, 1]}, {}, "No label column among x, kind"),
        ({"x": [1.0, 2.0], "label": [0, 1], "y": [0, 1]}, {}, "Several columns could be the label"),
        ({"x": [1.0, 2.0], "label": [0.5, 1.5]}, {}, "Regression is not supported"),
        ({"x": [1.0, 2.0], "label": [[0], [0, 1]]}, {}, "Multi-label data is not supported"),
        ({"x": [1.0, 2.0], "label": [b"p", b"q"]}, {}, "Labels must be integers from 0, or names"),
        ({"one": ["p", "q"], "two": ["p", "q"], "label": [0, 1]}, {}, "could be the text: one, two"),
        ({"x": [1.0, 2.0], "label": [1, 1]}, {}, "of one class, b"),
        ({"x": [1.0, 2.0], "label": [0, 5]}, {}, "Labels run from 0 to 5, but there are 2 classes"),
        ({"x": [1.0, 2.0], "label": [-1, -1]}, {}, "None of the 2 rows has a label"),
        ({"x": [float("nan")] * 2, "label": [0, 1]}, {}, "All 2 rows hold NaN"),
        ({"x": pa.array([], pa.float64()), "label": pa.array([], pa.int64())}, {}, "no rows"),
    ],
)
def test_what_does_not_fit_is_named(tmp_path, make, columns, options, match):
    names = (
        ("a", "b")
        if match in ("of one class, b", "Labels run from 0 to 5, but there are 2 classes")
        else None
    )
    path = make.table(tmp_path / "t.parquet", columns, names=names)
    with pytest.raises(DataError, match=match):
        load(path, Options(**options))


def test_a_file_that_is_no_parquet_is_named(tmp_path):
    (tmp_path / "t.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(DataError, match=r"t\.parquet cannot be read as Parquet"):
        load(str(tmp_path / "t.parquet"))


def test_unlabelled_columns_of_unsigned_labels_are_read(tmp_path, make):
    path = numbers(tmp_path, make, label=pa.array([0, None, 1, 1], pa.uint8()))
    assert [one.id for one in load(path).skipped] == [1]


def test_the_real_packs(shared_data):
    loaded = load(str(shared_data / "cifar10" / "train.parquet"), Options(rows=200))
    assert loaded.train.class_names[0] == "airplane"
    assert str(loaded.train.kind) == "image 3x32x32"
    spoken = load(
        str(shared_data / "spoken_digits" / "test.parquet"), Options(group_column="speaker", rows=60)
    )
    assert spoken.train.kind.rate == 8000


def test_a_test_table_is_matched_by_the_names_of_its_columns(tmp_path, make):
    columns = {"u": [1.0, 2.0, 3.0, 4.0], "v": [5.0, 6.0, 7.0, 8.0], "label": [0, 1, 0, 1]}
    train = make.table(tmp_path / "train.parquet", columns)
    turned = make.table(tmp_path / "turned.parquet", {name: columns[name] for name in ("v", "label", "u")})
    loaded = load(str(train))
    other = load_like(str(turned), loaded)
    assert other.columns == loaded.train.columns
    assert torch.equal(next(other.batches(4)).inputs, next(loaded.train.batches(4)).inputs)
    foreign = make.table(
        tmp_path / "foreign.parquet", {"u": columns["u"], "w": columns["v"], "label": [0, 1, 0, 1]}
    )
    with pytest.raises(DataError, match="The columns differ from those of the training data: v is in one"):
        load_like(str(foreign), loaded)


def test_a_mean_for_other_columns_is_refused(tmp_path, make):
    with pytest.raises(ConfigError, match="mean holds 3 numbers, and the data are tabular 2"):
        load(numbers(tmp_path, make), Options(mean=(0.0, 1.0, 2.0)))


def test_an_empty_name_is_no_class(tmp_path):
    (tmp_path / "t.csv").write_text("a,b,label\n1,2,p\n3,4,\n5,6,q\n7,8,p\n")
    loaded = load(str(tmp_path / "t.csv"))
    assert loaded.train.class_names == ("p", "q")
    assert [(one.id, one.reason) for one in loaded.skipped] == [(1, "no label")]
