import numpy as np
import pytest

from unchaff.data.load import load
from unchaff.data.options import Options
from unchaff.errors import DataError

X = np.arange(12, dtype=np.float32).reshape(6, 2)
Y = np.array([0, 1, 0, 1, 0, 1])


@pytest.fixture
def save(tmp_path):
    def save(**arrays):
        np.savez(tmp_path / "d.npz", **arrays)
        return str(tmp_path / "d.npz")

    return save


def test_x_and_y_are_enough(save):
    loaded = load(save(x=X, y=Y))
    assert (len(loaded.train), loaded.train.class_names, loaded.test) == (6, ("0", "1"), None)


def test_labels_may_be_a_column(save):
    loaded = load(save(x=X, y=Y[:, None], x_test=X[:2], y_test=Y[:2, None]))
    assert loaded.train.labels.tolist() == Y.tolist()
    assert loaded.test.labels.tolist() == [0, 1]


def test_ids_names_and_a_test_part_are_used(save):
    path = save(
        x=X,
        y=Y,
        ids=np.array(list("fedcba")),
        class_names=np.array(["no", "yes"]),
        x_test=X[:2],
        y_test=Y[:2],
    )
    loaded = load(path, Options(rows=4))
    assert loaded.train.ids.tolist() == ["c", "d", "e", "f"]
    assert loaded.train.class_names == ("no", "yes")
    assert len(loaded.test) == 2


@pytest.mark.parametrize(
    ("shape", "expected"), [((6, 4, 5), (1, 4, 5)), ((6, 3, 4, 5), (3, 4, 5)), ((6, 4, 5, 3), (3, 4, 5))]
)
def test_images_in_every_layout(save, shape, expected):
    assert load(save(x=np.ones(shape, dtype=np.uint8), y=Y)).train.kind.shape == expected


def test_waveforms_where_a_rate_is_given(save):
    x = np.random.default_rng(0).normal(size=(6, 400)).astype(np.float32)
    x[2] = 0
    loaded = load(save(x=x, y=Y), Options(rate=4000))
    assert loaded.train.kind.name == "audio"
    assert [(one.id, one.reason) for one in loaded.skipped] == [(2, "the clip is silent")]


@pytest.mark.parametrize(
    ("arrays", "match"),
    [
        ({"x": X}, "lacks y; it holds x"),
        ({"images": X, "labels": Y}, r"lacks x and y; it holds images, labels\. Save the inputs as x"),
        ({f"{row}": X for row in range(12)}, "8, 9 and 2 more"),
        ({"x": X, "y": np.array([0, "a"] * 3, dtype=object)}, "holds Python objects"),
        ({"x": X, "y": Y[:3]}, "The lengths differ: 6 inputs, 3 labels"),
        ({"x": X, "y": Y / 2}, "Regression is not supported"),
        ({"x": X, "y": np.stack([Y, Y], 1)}, "Multi-label data is not supported"),
        ({"x": X[:, 0], "y": Y}, r"The inputs have shape \(6,\)"),
        ({"x": X, "y": Y, "ids": np.ones(6)}, "The ids are of type float64"),
        ({"x": X[:0], "y": Y[:0]}, "holds no samples"),
    ],
)
def test_what_does_not_fit_is_named(save, arrays, match):
    with pytest.raises(DataError, match=match):
        load(save(**arrays))


def test_a_file_that_is_no_archive_is_named(tmp_path):
    (tmp_path / "d.npz").write_bytes(b"PK no")
    with pytest.raises(DataError, match=r"d\.npz"):
        load(str(tmp_path / "d.npz"))
