"""A loop of the user's own on digits with wrong labels: recorded, and repaired with the record."""

import json
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import unchaff
from unchaff import journal
from unchaff.cli import app
from unchaff.data import load
from unchaff.nets.build import build
from unchaff.runs.weights import load_weights
from unchaff.streams import Streams


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """A folder with train.parquet, truth.parquet, w.safetensors and the record of that training."""
    folder = tmp_path_factory.mktemp("recorded")
    data = str(folder / "train.parquet")
    assert app.main(["inject", "digits", "--noise", "symmetric:0.4", "--seed", "5", "--out", data]) == 0
    train = load(data).train
    inputs = next(iter(train.source.read([np.arange(len(train))])))
    ids, labels = torch.from_numpy(train.ids), train.labels
    model = build("mlp", train, streams=Streams(0))
    learning = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    draw = torch.Generator().manual_seed(0)
    recorder = unchaff.Recorder(folder / "record")
    for _ in range(10):
        for rows in torch.randperm(len(ids), generator=draw).split(32):
            logits = model(inputs[rows])
            recorder.update(ids[rows], logits, labels[rows])
            learning.zero_grad()
            torch.nn.functional.cross_entropy(logits, labels[rows]).backward()
            learning.step()
        recorder.end_epoch()
    save_file(model.state_dict(), folder / "w.safetensors")
    return folder


@pytest.fixture
def run(recorded, tmp_path, capsys):
    """Return a function that runs a command on the recorded training; its metrics and what it said."""

    def call(command, *words, name="run"):
        given = [command, str(recorded / "train.parquet"), "--model", "mlp", "--device", "cpu"]
        given += ["--weights", str(recorded / "w.safetensors")]
        given += [] if "--noise" in words else ["--truth", str(recorded / "truth.parquet")]
        code = app.main([*given, *words, "--out", str(tmp_path / name)])
        said = capsys.readouterr()
        if code:
            return code, said.err.splitlines()[-1]
        return json.loads((tmp_path / name / "metrics.json").read_text()), said.out

    return call


def test_a_score_with_a_record_finds_more(run, recorded):
    plain, _ = run("score", name="plain")
    told, said = run("score", "--record", str(recorded / "record"), name="told")
    assert told["detection"]["auroc"] > plain["detection"]["auroc"]
    assert told["detection"]["auroc"] > 0.99
    assert "covers 1347 of 1347 samples, over 10 epochs" in said
    assert "Of 10 recorded epochs the first" in said


def test_a_repair_with_a_record(run, recorded, tmp_path):
    told, said = run("repair", "--record", str(recorded / "record"), "--controls", "none")
    assert told["detection"]["auroc"] > 0.99
    assert "are weighed in" in said
    replay = json.loads((tmp_path / "run" / "manifest.json").read_text())
    assert replay["config"]["record"] == str(recorded / "record")


def test_a_record_that_cannot_be_used(run, recorded, tmp_path):
    record = str(recorded / "record")
    assert run("repair", "--record", str(tmp_path / "no")) == (
        1,
        f"Error: There is no record {tmp_path / 'no'}. Give the folder that a Recorder was given.",
    )
    code, said = run("repair", "--record", record, "--method", "retrain")
    assert code == 1
    assert "Retrain makes no use of a record" in said
    code, said = run("score", "--record", record, "--noise", "symmetric:0.9", "--seed", "1")
    assert code == 1
    assert "were recorded with another label" in said
    assert not list(tmp_path.iterdir()), "something was written"


def test_from_python(recorded):
    train = load(str(recorded / "train.parquet")).train
    model = build("mlp", train, streams=Streams(0))
    model.load_state_dict(load_weights(recorded / "w.safetensors"))
    plain = unchaff.score(model, train)
    told = unchaff.score(model, train, record=recorded / "record")
    assert not torch.equal(plain.quality, told.quality)
    assert set(told.evidence) - set(plain.evidence) == {"recorded_margin"}


def test_a_changed_record_is_noticed_by_a_resumed_run(run, recorded, tmp_path, monkeypatch):
    shutil.copytree(recorded / "record", tmp_path / "record")
    words = ("--record", str(tmp_path / "record"), "--controls", "none")

    def stopping(self, name, content):
        put(self, name, content)
        raise KeyboardInterrupt

    put = journal.Journal.put
    with monkeypatch.context() as patched:
        patched.setattr(journal.Journal, "put", stopping)
        assert run("repair", *words)[0] == 130
    (tmp_path / "record" / "epoch-00009.rank-000.parquet").unlink()
    code, said = run("repair", *words, "--resume")
    assert code == 1
    assert "differs in its record: sha256 was" in said
