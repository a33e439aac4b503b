import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from unchaff.data import Options, from_arrays, load
from unchaff.data.dataset import list_arrays
from unchaff.data.labels import labels_of
from unchaff.engine.finding import Labels, _with_all_names
from unchaff.engine.units import Unit
from unchaff.errors import DataError

X = np.arange(12, dtype=np.float32).reshape(6, 2)
NAMES = ["cat", "dog", "cat", "", None, "bee"]
ANIMALS, NUMBERS = ("bee", "cat", "dog"), ("0", "1", "2")


def read(tmp_path, labels):
    file = tmp_path / "t.parquet"
    pq.write_table(pa.table({"a": X[:, 0], "b": X[:, 1], "label": labels}), file)
    return load(str(file)), Labels("label")(Unit(0, str(file), 0, len(X), 0))


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        (pa.array(NAMES).dictionary_encode(), ANIMALS),
        (pa.array(NAMES), ANIMALS),
        (pa.array([1.0, 2.0, 1.0, float("nan"), None, 0.0]), NUMBERS),
        (pa.array([1.0, 2.0, 1.0, float("nan"), None, 0.0], type=pa.float16()), NUMBERS),
        (pa.array([1, 2, 1, -1, None, 0]), NUMBERS),
    ],
    ids=["categories", "texts", "whole floats", "half floats", "integers"],
)
def test_labels_are_read_however_a_table_holds_them(tmp_path, labels, names):
    loaded, occurring = read(tmp_path, labels)
    assert loaded.train.labels.tolist() == [1, 2, 1, 0]
    assert loaded.train.class_names == names
    assert [one.id for one in loaded.skipped] == [3, 4]
    assert {str(each) for each in occurring} - {"", "-1"} == set(names), "what a cluster reads"


def test_false_and_true_are_0_and_1(tmp_path):
    loaded, occurring = read(tmp_path, [True, False] * 3)
    assert loaded.train.labels.tolist() == [1, 0] * 3
    assert loaded.train.class_names == ("0", "1")
    assert sorted(occurring) == [0, 1]


@pytest.mark.parametrize("fraction", [0.5, float("inf")])
def test_fractions_are_no_labels(tmp_path, fraction):
    with pytest.raises(DataError, match="Column label holds fractions"):
        read(tmp_path, [fraction, 1.0, 0.0, 1.0, 0.0, 1.0])
    with pytest.raises(DataError, match="The array of labels holds fractions"):
        from_arrays(X, [fraction, 1.0, 0.0, 1.0, 0.0, 1.0])


def test_arrays_may_name_the_classes():
    with pytest.warns(UserWarning, match=r"1 sample cannot be used and is left out \(no label: 1\)"):
        samples = from_arrays(X, np.array(["dog", "cat", "dog", "cat", "", "bee"]))
    assert samples.class_names == ANIMALS
    assert samples.labels.tolist() == [2, 1, 2, 1, 0]
    samples = from_arrays(X, ["b", "a"] * 3, class_names=["b", "a"])
    assert samples.labels.tolist() == [0, 1] * 3
    with pytest.raises(DataError, match="holds 'c', which is none of the 2 class names"):
        from_arrays(X, ["c", "a"] * 3, class_names=["b", "a"])


def test_a_list_with_names_is_taken_as_it_is():
    with pytest.warns(UserWarning, match="no label: 2"):
        assert from_arrays(X, ["a", float("nan"), "a", "b", None, "b"]).class_names == ("a", "b")
    with pytest.raises(DataError, match="Labels must be integers from 0, or names"):
        from_arrays(X, ["a", -1, "a", "b", "a", "b"])


def test_of_labels_of_two_signs_it_is_said_that_one_means_none(tmp_path):
    with pytest.raises(DataError, match="one class, 1; a label of -1, or an empty one,"):
        read(tmp_path, [-1, 1] * 3)


def test_labels_of_another_byte_order_are_read():
    assert from_arrays(X, np.array([0, 1] * 3, dtype=">i8")).labels.tolist() == [0, 1] * 3


@pytest.mark.parametrize("names", [[], ["neg", "pos"]])
def test_names_in_a_file_that_are_not_those_of_the_labels_are_passed_over(tmp_path, names):
    table = {"a": X[:, 0], "label": list("xyxyxy")}
    pq.write_table(pa.table(table), tmp_path / "t.parquet")
    features = {"label": {"_type": "ClassLabel", "names": names}}
    written = pq.read_table(tmp_path / "t.parquet").replace_schema_metadata(
        {b"huggingface": json.dumps({"info": {"features": features}}).encode()}
    )
    pq.write_table(written, tmp_path / "t.parquet")
    assert load(str(tmp_path / "t.parquet")).train.class_names == ("x", "y")


def test_names_and_numbers_in_one_archive_are_refused(tmp_path):
    np.savez(tmp_path / "d.npz", x=X, y=list("ababab"), x_test=X[:2], y_test=[0, 1])
    with pytest.raises(DataError, match="names in one of y and y_test"):
        load(str(tmp_path / "d.npz"))


@pytest.mark.parametrize(
    ("values", "match"),
    [
        ([{0, 1}, {"a"}], "names in some of the tables and numbers in others"),
        ([{-1}, {""}], "None of the rows has a label"),
        ([{-1, 1}, {1}], "one class, 1; a label of -1, or an empty one,"),
    ],
)
def test_labels_of_all_tables_of_a_cluster_fit_together(values, match):
    listing = list_arrays(X, np.array([0, 1] * 3), options=Options())
    with pytest.raises(DataError, match=match):
        _with_all_names(listing, set().union(*values), None)


@pytest.mark.parametrize("value", [1e300, 2.0**63])
def test_numbers_that_are_too_large_are_no_labels(tmp_path, value):
    with pytest.raises(DataError, match="Labels must be integers from 0, or names"):
        read(tmp_path, pa.array([value, 0, 1, 0, 1, 0], type=pa.float64()))


@pytest.mark.parametrize(
    "labels", [np.array([b"a", b"b"]), np.array([0, "a"], dtype=object), np.array([2**64 - 1, 0], dtype="u8")]
)
def test_what_is_no_label_is_refused(labels):
    with pytest.raises(DataError, match="Labels must be integers from 0, or names"):
        labels_of(labels)
