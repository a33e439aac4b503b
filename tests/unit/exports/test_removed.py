"""Pruned units are taken out for good: on export, or by the repair itself."""

import json
import re

import numpy as np
import pytest
import torch
from torch import nn

import unchaff
from unchaff import load
from unchaff.cli import app
from unchaff.data import from_arrays
from unchaff.errors import ModelError, RunFolderError
from unchaff.methods.unlearn import Unlearn
from unchaff.nets.mlp import mlp
from unchaff.prune.importance import Importance
from unchaff.prune.remove import REMOVED

pytest.importorskip("torch_pruning", reason="needs the extra structural")

WORDS = [
    "--model",
    "mlp",
    "--epochs",
    "6",
    "--controls",
    "none",
    "--device",
    "cpu",
    "--noise",
    "symmetric:0.3",
]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Return run folders of digits: one with silenced units, one without."""
    folder = tmp_path_factory.mktemp("digits")
    for method in ("unlearn-pruned", "unlearn"):
        assert app.main(["repair", *WORDS, "--method", method, "--out", str(folder / method)]) == 0
    return folder


@pytest.fixture(scope="module")
def smaller(tmp_path_factory):
    """Return the outcome of a repair that took units out, and its run folder."""
    draw = np.random.default_rng(1)
    right = np.arange(300) % 3
    x = draw.normal(size=(300, 6)) + 3 * np.eye(3, 6)[right]
    given = np.where(draw.random(300) < 0.3, (right + 1) % 3, right)
    torch.manual_seed(0)
    network, inputs, labels = mlp((6,), 3), torch.tensor(x, dtype=torch.float32), torch.tensor(given)
    optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)
    for _ in range(100):  # until it knows the wrong ones by heart
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(network(inputs), labels).backward()
        optimizer.step()
    method = Unlearn(prune=Importance(share=0.4, layers=1.0), remove=True, budget=2.0)
    outcome = unchaff.repair(network, from_arrays(x.astype(np.float32), given), method=method)
    return outcome, outcome.save(tmp_path_factory.mktemp("smaller") / "run")


@pytest.mark.filterwarnings("ignore")  # of the exporters of torch
@pytest.mark.parametrize("kind", ["torch", "onnx"])
def test_the_program_is_smaller_answers_as_the_network_and_says_what_was_saved(runs, tmp_path, capsys, kind):
    if kind == "onnx":
        pytest.importorskip("onnxscript", reason="needs the extra onnx")
    run, file = runs / "unlearn-pruned", tmp_path / "program"
    assert app.main(["export", str(run), "--format", kind, "--remove-pruned", "--out", str(file)]) == 0
    said = capsys.readouterr().out
    found = re.search(r"(\d+) of \1 pruned units were taken out: ([\d,]+) -> ([\d,]+) parameters", said)
    was, now = (int(number.replace(",", "")) for number in found.groups()[1:])
    network = load(run)
    assert was == sum(each.numel() for each in network.parameters()) > now
    assert "million operations a sample" in said
    assert re.search(r"-> [\d.]+ ms for 64 samples", said)
    if kind == "torch":
        program = torch.export.load(str(file)).module()
        inputs = torch.randn(7, 1, 8, 8, generator=torch.Generator().manual_seed(1))
        torch.testing.assert_close(program(inputs), network(inputs), rtol=1e-5, atol=1e-5)
        assert sum(each.numel() for each in program.parameters()) == now


def test_what_was_not_pruned_or_is_no_program_is_refused(runs, tmp_path, capsys):
    for run, kind, said in (
        ("unlearn", "torch", "holds no silenced units. Leave --remove-pruned out"),
        ("unlearn-pruned", "ids", "--remove-pruned is for --format torch or onnx, got ids"),
    ):
        words = ["export", str(runs / run), "--format", kind, "--remove-pruned", "--out", str(tmp_path / "x")]
        assert app.main(words) == 1
        assert said in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


def test_a_network_that_lost_units_in_the_repair_is_loaded_again(smaller):
    outcome, run = smaller
    assert outcome.modifications == (REMOVED,)
    assert re.search(r"Taken out: [\d,]+ -> [\d,]+ parameters \(-\d+ %\), .* operations", outcome.plan.reason)
    inputs = torch.randn(5, 6, generator=torch.Generator().manual_seed(1))
    again = load(run)
    assert sum(each.numel() for each in again.parameters()) < sum(
        each.numel() for each in mlp((6,), 3).parameters()
    )
    torch.testing.assert_close(again(inputs), outcome.model(inputs))
    torch.testing.assert_close(load(run, model=mlp((6,), 3))(inputs), outcome.model(inputs))


@pytest.mark.parametrize(
    ("shape", "units", "error", "said"),
    [
        ([100_000_000], {"1": [0]}, ModelError, "more than taking units out explains"),
        ([6], {"2": [10**9]}, ModelError, "The weights do not fit"),
        ([6], {"nothing": [1]}, ModelError, "units that the network has not"),
        ([6], {"1": [0]}, ModelError, "cannot follow the network"),
        ([6], {"1": [-1]}, RunFolderError, "does not say which units"),
        ([6], "all", RunFolderError, "does not say which units"),
        ([True], {"1": [0]}, RunFolderError, "describes no network that can be built"),
    ],
)
def test_a_folder_that_was_meddled_with_takes_no_memory(smaller, tmp_path, shape, units, error, said):
    told = json.loads((smaller[1] / "model.json").read_text())
    for file in smaller[1].iterdir():
        if file.is_file():
            (tmp_path / file.name).write_bytes(file.read_bytes())
    told |= {"pruned_units": units, "input": {**told["input"], "shape": shape}}
    (tmp_path / "model.json").write_text(json.dumps(told))
    with pytest.raises(error, match=said):
        load(tmp_path)


def plain(num_classes, input_shape):
    """Return a network that is not built in and answers with a mapping."""
    return Own(num_classes, input_shape[-1] ** 2)


class Own(nn.Module):
    def __init__(self, num_classes, values):
        super().__init__()
        self.first, self.last = nn.Linear(values, 32), nn.Linear(32, num_classes)

    def forward(self, inputs):
        return {"logits": self.last(torch.relu(self.first(inputs.flatten(1)))), "more": inputs}


def test_a_network_of_the_users_own_is_exported_where_its_factory_is_named(tmp_path, capsys):
    words = ["repair", "digits", *WORDS, "--model", f"{__name__}:plain", "--method", "unlearn-pruned"]
    assert app.main([*words, "--out", str(tmp_path / "run")]) == 0
    file = tmp_path / "program.pt2"
    export = ["export", str(tmp_path / "run"), "--format", "torch", "--out", str(file)]
    assert app.main(export) == 1
    assert "Give --model pkg.module:factory, which makes it." in capsys.readouterr().err
    assert app.main([*export, "--model", f"{__name__}:plain", "--remove-pruned"]) == 0
    inputs = torch.randn(7, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    network = load(tmp_path / "run", model=plain(10, (1, 8, 8)))
    program = torch.export.load(str(file)).module()
    torch.testing.assert_close(program(inputs), network(inputs)["logits"], rtol=1e-5, atol=1e-5)
