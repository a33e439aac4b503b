"""A network with an adapter and a classifier in place of its last layer is saved and loaded."""

import json

import numpy as np
import pytest
import torch

import unchaff
from unchaff.data import from_arrays
from unchaff.errors import ModelError, RunFolderError
from unchaff.methods.nmtune import NmTune
from unchaff.nets.build import build
from unchaff.streams import Streams


@pytest.fixture(scope="module")
def tables():
    labels = np.arange(90) % 3
    noise = np.random.default_rng(0).normal(size=(90, 6))
    return from_arrays((noise + 2 * np.eye(3, 6)[labels]).astype(np.float32), labels)


@pytest.fixture(scope="module", params=[4.0, 0.0], ids=["adapter", "probe"])
def saved(request, tables, tmp_path_factory):
    method = NmTune(epochs=1, hidden=request.param)
    outcome = unchaff.repair(build("mlp", tables, streams=Streams(0)), tables, method=method)
    return outcome, outcome.save(tmp_path_factory.mktemp("tuned") / "run")


def inputs():
    return torch.rand(5, 6, generator=Streams(1)("inputs"))


def test_it_comes_back_by_itself_or_with_the_plain_network(saved, tables):
    outcome, run = saved
    said = json.loads((run / "model.json").read_text())["modifications"]
    assert said == [outcome.modifications[0]]
    torch.testing.assert_close(unchaff.load(run)(inputs()), outcome.model(inputs()))
    plain = build("mlp", tables, streams=Streams(7))
    torch.testing.assert_close(unchaff.load(run, model=plain)(inputs()), outcome.model(inputs()))


@pytest.mark.parametrize("name", ["nix", "", "0.0.0"])
def test_a_layer_that_there_is_not_is_one_sentence(saved, name):
    _, run = saved
    file = run / "model.json"
    before = file.read_text()
    told = json.loads(before)
    told["modifications"] = [told["modifications"][0].rpartition(" ")[0] + f" {name}"]
    file.write_text(json.dumps(told))
    try:
        with pytest.raises((ModelError, RunFolderError), match=r"no adapter and classifier|describes no"):
            unchaff.load(run)
    finally:
        file.write_text(before)
