"""`outcome.save(run)` and `unchaff.load(run)` for networks of every kind that Python can pass in."""

import json

import pyarrow.parquet as pq
import pytest
import torch
from torch import nn

import unchaff
from unchaff.cli import app
from unchaff.errors import ModelError, RunFolderError
from unchaff.methods import METHODS
from unchaff.nets.build import build
from unchaff.records import Trained
from unchaff.runs.read import read
from unchaff.streams import Streams

QUICK = METHODS["finetune-all"]


class Mine(nn.Module):
    """Takes two tensors by name, and has one output too many."""

    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(6, 8)
        self.out = nn.Linear(8, 4)

    def forward(self, left, right):
        return {"logits": self.out(torch.relu(self.hidden(torch.cat([left, right], dim=1))))}


class Pairs(torch.utils.data.Dataset):
    def __init__(self, count):
        draw = torch.Generator().manual_seed(count)
        self.inputs = torch.randn(count, 6, generator=draw)
        self.labels = torch.arange(count) % 3

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, row):
        left, right = self.inputs[row, :2], self.inputs[row, 2:]
        return {"left": left, "right": right, "label": int(self.labels[row])}


@pytest.fixture(scope="module")
def rows():
    draw = torch.Generator().manual_seed(0)
    labels = torch.arange(120) % 3
    inputs = torch.randn(120, 6, generator=draw) + 2 * torch.eye(3, 6)[labels]
    return unchaff.from_arrays(inputs, labels, class_names=["a", "b", "c"])


@pytest.fixture(scope="module")
def outcome(rows):
    return unchaff.repair(build("mlp", rows, streams=Streams(0)), rows)


def equal(one, other):
    return all(torch.equal(each, other.state_dict()[name]) for name, each in one.state_dict().items())


def test_a_built_in_network_comes_back_by_itself(outcome, rows, tmp_path):
    assert outcome.save(tmp_path / "run") == tmp_path / "run"
    model = unchaff.load(tmp_path / "run")
    inputs = next(rows.batches(120)).inputs
    with torch.no_grad():
        torch.testing.assert_close(model(inputs), outcome.model.eval()(inputs))
    assert json.loads((tmp_path / "run" / "model.json").read_text())["model"] == "mlp"


def test_the_folder_holds_what_the_command_line_writes(outcome, tmp_path):
    outcome.save(tmp_path / "run")
    run = read(tmp_path / "run")
    assert {file.name for file in run.path.iterdir()} == {
        "model.safetensors", "model.json", "quality.parquet", "plan.json", "metrics.json", "manifest.json",
        "report.html",
    }  # fmt: skip
    assert run.class_names == ("a", "b", "c")
    assert run.quality.column("quality").to_pylist() == outcome.quality["quality"].tolist()
    assert run.metrics["before"] is run.metrics["after"] is None
    assert run.metrics["cost"]["share"]["flops"] > 0
    assert run.manifest["config"]["method"].startswith("Unlearn(")
    page = (run.path / "report.html").read_text()
    assert "nothing was measured" in page
    assert "could not be drawn" not in page


@pytest.mark.parametrize("named", ["test", "holdout"])
def test_what_is_measured_is_said(rows, tmp_path, named):
    model = build("mlp", rows, streams=Streams(0))
    other = rows.at(rows.rows_of(rows.ids[::3]))
    if named == "test":
        unchaff.repair(model, rows, method=QUICK).save(tmp_path / "run", test=other)
    else:
        unchaff.repair(model, rows, method=QUICK, holdout=other).save(tmp_path / "run")
    metrics = read(tmp_path / "run").metrics
    assert metrics["measured_on"].startswith(named)
    assert metrics["before"]["n"] == metrics["after"]["n"] == 40
    assert metrics["after"]["accuracy"] > metrics["before"]["accuracy"]
    assert "could not be drawn" not in (tmp_path / "run" / "report.html").read_text()


def test_any_other_network_comes_back_with_model(tmp_path):
    data, model = Pairs(60), Mine()
    outcome = unchaff.repair(Trained(model=model), data, method=QUICK)
    outcome.save(tmp_path / "run", test=Pairs(30))
    with pytest.raises(RunFolderError, match=r"test_saving:Mine', which is not built in.*model=network"):
        unchaff.load(tmp_path / "run")
    loaded = unchaff.load(tmp_path / "run", model=Mine())
    assert equal(outcome.model, loaded)
    given = {"left": torch.ones(2, 2), "right": torch.ones(2, 4)}
    with torch.no_grad():
        torch.testing.assert_close(loaded(**given)["logits"], outcome.model.eval()(**given)["logits"])
    assert max(pq.read_table(tmp_path / "run" / "quality.parquet").column("predicted").to_pylist()) <= 2
    with pytest.raises(ModelError, match="do not fit"):
        unchaff.load(tmp_path / "run", model=nn.Linear(6, 3))


def test_a_network_alike_in_shape_is_not_taken_for_a_built_in_one(rows, tmp_path):
    class Net(nn.Sequential):
        pass

    model = Net(*build("mlp", rows, streams=Streams(0)))
    unchaff.repair(model, rows, method=METHODS["nothing"]).save(tmp_path / "run")
    with pytest.raises(RunFolderError, match="not built in"):
        unchaff.load(tmp_path / "run")


def test_a_method_that_leaves_the_network_alone_can_be_saved(tmp_path):
    unchaff.repair(Mine(), Pairs(60), method=METHODS["nothing"]).save(tmp_path / "run", test=Pairs(30))
    metrics = read(tmp_path / "run").metrics
    assert metrics["before"]["accuracy"] == metrics["after"]["accuracy"]


def test_a_folder_that_is_taken_is_refused(outcome, tmp_path):
    outcome.save(tmp_path / "run")
    with pytest.raises(RunFolderError, match="not empty"):
        outcome.save(tmp_path / "run")
    outcome.save(tmp_path / "run", overwrite=True)
    assert [place.name for place in tmp_path.iterdir()] == ["run"]


def test_loading_leaves_the_global_generator_alone(outcome, tmp_path):
    outcome.save(tmp_path / "run")
    before = torch.get_rng_state()
    unchaff.load(tmp_path / "run")
    assert torch.equal(torch.get_rng_state(), before)


def test_what_needs_the_data_says_that_they_are_gone(outcome, tmp_path, capsys):
    outcome.save(tmp_path / "run")
    for name, code in (("ids", 0), ("cleanlab", 0), ("dataset", 1), ("label-studio", 1), ("fiftyone", 1)):
        words = ["export", str(tmp_path / "run"), "--format", name, "--out", str(tmp_path / name)]
        assert app.main(words) == code, name
    assert "was saved from Python" in capsys.readouterr().err
