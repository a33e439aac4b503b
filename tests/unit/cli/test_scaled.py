"""`--engine ray`: what makes no sense with it is refused before anything is started."""

import json
from pathlib import Path

import pytest

from unchaff.cli import app, scaled
from unchaff.engine import Here


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--scorers", "2"], "--scorers is for --engine ray"),
        (["--ray-silence", "60"], "--ray-silence is for --engine ray"),
        (["--trainers", "2"], "--trainers is for --engine ray"),
        (["--ray-address", "auto"], "--ray-address is for --engine ray"),
        (["--engine", "ray"], "with a finished network"),
        (["--engine", "ray", "--noise", "symmetric:0.4"], "--noise has no use"),
        (["--engine", "ray", "--truth", "truth.parquet"], "--truth has no use"),
        (["--engine", "ray", "--resume"], "--resume needs --out"),
        (["--engine", "ray", "--weights", "no.safetensors"], "There is no weights file"),
        (["--engine", "spark"], "spark"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_sentence(words, said, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert app.main(["score", "digits", *words]) == 1
    assert said in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "needs data"),
        (["digits", "--method", "sap"], "repairs by unlearn, and not by sap"),
        (["digits", "--controls", "all"], "runs no controls"),
        (["digits", "--decisions"], "no decisions of a person"),
    ],
)
def test_what_only_one_machine_does_is_refused(words, said, capsys):
    assert app.main(["repair", *words, "--engine", "ray"]) == 1
    assert said in capsys.readouterr().err


class Joined(Here):
    """Stands for a cluster."""

    def __init__(self, **given):
        self.given = given

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


@pytest.fixture
def weights(tmp_path, monkeypatch):
    monkeypatch.setattr(scaled, "Ray", Joined)
    monkeypatch.chdir(tmp_path)
    words = ["repair", "digits", "--noise", "symmetric:0.4", "--method", "nothing", "--controls", "none"]
    assert app.main([*words, "--epochs", "2", "--out", "trained", "-q"]) == 0
    return ["--weights", "trained/model.safetensors", "--model", "mlp", "--engine", "ray"]


def test_a_run_is_told_in_words_as_an_object_and_as_a_path(weights, tmp_path, capsys):
    assert app.main(["inject", "digits", "--noise", "symmetric:0.4", "--out", "noisy.parquet", "-q"]) == 0
    capsys.readouterr()
    assert app.main(["score", "noisy.parquet", *weights, "--out", "run"]) == 0
    told = capsys.readouterr().out
    assert "noise rate" in told
    assert f"Quality of every sample: {tmp_path / 'run' / 'quality'}" in told
    assert app.main(["score", "noisy.parquet", *weights, "--out", "run", "--resume", "-q"]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "run")
    gate = ["--fail-if-noise-above", "0.01", "--json"]
    assert app.main(["score", "noisy.parquet", *weights, "--out", "run", "--resume", *gate]) == 3
    found = capsys.readouterr()
    assert '"exit_code": 3' in found.out
    assert "Gate not met" in found.err


def test_a_repair_is_measured_where_there_are_test_data(weights, capsys):
    assert app.main(["inject", "digits", "--noise", "symmetric:0.4", "--out", "noisy.parquet", "-q"]) == 0
    capsys.readouterr()
    words = ["repair", "noisy.parquet", *weights, "--test", "digits", "--out", "run", "--json"]
    assert app.main(words) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["after"] > found["before"]
    assert 0 < found["share"] < 0.6
    spent = json.loads(Path("run/summary.json").read_text())["result"]["cost"]
    assert found["cost"] == {"seconds": spent["seconds"], "flops": spent["flops"]}, "looks and learning"
    assert Path(found["model"]).is_file()
    assert app.main([*words, "--resume"]) == 0
    assert json.loads(capsys.readouterr().out)["after"] == found["after"]


def test_ctrl_c_says_how_to_go_on(weights, capsys, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(scaled, "score", interrupted)
    assert app.main(["score", "digits", *weights, "--out", "s3://bucket/run"]) == 130
    assert "--out s3://bucket/run --resume" in capsys.readouterr().err
