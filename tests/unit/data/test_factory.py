import sys

import pytest

from unchaff.data.load import load
from unchaff.data.options import Options
from unchaff.errors import ConfigError, DataError

SOURCE = """
import torch
from torch.utils.data import TensorDataset
from unchaff.data.dataset import from_arrays
x, y = torch.arange(8.).reshape(4, 2), torch.tensor([0, 1, 0, 1])
samples = lambda: from_arrays(x, y)
dataset = lambda: TensorDataset(x, y)
unlabelled = lambda: TensorDataset(x, torch.tensor([0, -1, 0, 1]))
halves = lambda: (TensorDataset(x, y), TensorDataset(x, torch.tensor([0, -1, 0, 1])))
pair = lambda: (TensorDataset(x, y), TensorDataset(x[:2], y[:2]))
narrow = lambda: (from_arrays(x, y), from_arrays(x[:, :1], y))
three = lambda: (1, 2, 3)
text = lambda: "x"
differ = lambda: (from_arrays(x, y, class_names=["p", "q"]), from_arrays(x, y))
mapping = lambda: [({"a": x[0], "b": x[1]}, 0), ({"a": x[0], "b": x[1]}, 1)]
needs = lambda path: from_arrays(x, y)
def fails(): raise KeyError("gone")
def leaves(): raise SystemExit(0)
number = 3
"""


@pytest.fixture(autouse=True)
def _module(tmp_path, monkeypatch):
    (tmp_path / "mydata.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield
    sys.modules.pop("mydata", None)


@pytest.mark.parametrize(("name", "test"), [("samples", 0), ("dataset", 0), ("pair", 2)])
def test_what_a_factory_may_return(name, test):
    loaded = load(f"mydata:{name}")
    assert len(loaded.train) == 4
    assert (0 if loaded.test is None else len(loaded.test)) == test
    assert f"what mydata:{name} returned" in loaded.found


def test_what_is_left_out_of_a_data_set_is_listed():
    for name in ("unlabelled", "halves"):
        assert [(one.id, one.reason) for one in load(f"mydata:{name}").skipped] == [(1, "no label")]


def test_the_first_rows_can_be_asked_for():
    assert len(load("mydata:samples", Options(rows=2)).train) == 2


@pytest.mark.parametrize(
    ("spec", "match"),
    [
        ("mydata:three", "returned 3 things"),
        ("mydata:text", "returned str"),
        ("mydata:differ", "classes of the two parts"),
        ("mydata:narrow", r"Inputs have shape \(1,\), the training data \(2,\)"),
        ("mydata:number", "has no function number"),
        ("mydata:needs", r"mydata:needs raised TypeError: .*'path'.* it takes nothing"),
        ("mydata:fails", r"mydata:fails raised KeyError: 'gone'"),
        ("mydata:leaves", r"mydata:leaves raised SystemExit: 0"),
        ("nomodule:build", "nomodule:build cannot be imported"),
    ],
)
def test_what_does_not_fit_is_named(spec, match):
    with pytest.raises(DataError, match=match):
        load(spec)


@pytest.mark.parametrize("name", ["samples", "dataset", "pair"])
def test_what_it_returned_is_augmented_as_asked(name):
    twice = lambda inputs, _generator: 2 * inputs  # noqa: E731
    assert load(f"mydata:{name}", Options(augment=twice)).train.augmentation is twice


@pytest.mark.parametrize(
    ("name", "given", "why"),
    [
        ("samples", {"size": (8, 8)}, "returns Samples, which are read"),
        ("samples", {"mean": (0.5, 0.5)}, "returns Samples, which are read"),
        ("dataset", {"lazy": True}, "returns a data set, which is no file"),
        ("pair", {"group_column": "g"}, "returns a data set, which is no file"),
        ("mapping", {"std": (0.5, 0.5)}, "returns several tensors a sample"),
    ],
)
def test_options_that_change_nothing_are_refused_by_name(name, given, why):
    with pytest.raises(ConfigError, match=f"{next(iter(given))} was given, but mydata:{name} {why}"):
        load(f"mydata:{name}", Options(**given))


def test_options_that_prepare_apply_to_a_data_set():
    loaded = load("mydata:dataset", Options(mean=(1.0, 1.0), std=(2.0, 2.0)))
    assert next(loaded.train.batches(1)).inputs.tolist() == [[-0.5, 0.0]]
