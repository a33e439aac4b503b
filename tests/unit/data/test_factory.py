import sys

import pytest

from unchaff.data.load import load
from unchaff.data.options import Options
from unchaff.errors import DataError

SOURCE = """
import torch
from torch.utils.data import TensorDataset
from unchaff.data.dataset import from_arrays
x, y = torch.arange(8.).reshape(4, 2), torch.tensor([0, 1, 0, 1])
samples = lambda: from_arrays(x, y)
dataset = lambda: TensorDataset(x, y)
pair = lambda: (TensorDataset(x, y), TensorDataset(x[:2], y[:2]))
three = lambda: (1, 2, 3)
text = lambda: "x"
differ = lambda: (from_arrays(x, y, class_names=["p", "q"]), from_arrays(x, y))
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


def test_the_first_rows_can_be_asked_for():
    assert len(load("mydata:samples", Options(rows=2)).train) == 2


@pytest.mark.parametrize(
    ("spec", "match"),
    [
        ("mydata:three", "returned 3 things"),
        ("mydata:text", "returned str"),
        ("mydata:differ", "classes of the two parts"),
        ("mydata:number", "has no function number"),
        ("nomodule:build", "nomodule cannot be imported"),
    ],
)
def test_what_does_not_fit_is_named(spec, match):
    with pytest.raises(DataError, match=match):
        load(spec)
