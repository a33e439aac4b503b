"""`--json` and `--quiet`: what goes to standard output, and that nothing else does."""

import json
import sys
from pathlib import Path

import pytest

from unchaff.cli import answer, app, options
from unchaff.errors import Unfinished

QUICK = ["--epochs", "1", "--model", "mlp", "--device", "cpu"]


def constant(name):
    raise AssertionError(f"{name} is no JSON")


def only_object(text):
    """Return the one object that a text is, without NaN or infinity."""
    found = json.loads(text, parse_constant=constant)
    assert isinstance(found, dict)
    assert text.isascii()
    return found


@pytest.fixture
def run(table, tmp_path):
    """Return the folder of a finished run."""
    words = ["score", table(), *QUICK, "--out", str(tmp_path / "run")]
    assert app.main([*words, "--quiet"]) == 0
    return tmp_path / "run"


@pytest.mark.parametrize("command", ["repair", "score"])
def test_a_run_is_one_object_with_its_metrics(table, tmp_path, capsys, command):
    out = tmp_path / "run"
    assert app.main([command, table(), *QUICK, "--noise", "symmetric:0.3", "--json", "--out", str(out)]) == 0
    said, told = capsys.readouterr()
    found = only_object(said)
    assert found.items() >= json.loads((out / "metrics.json").read_text()).items()
    assert found["run"] == str(out)
    assert Path(found["report"]).is_file()
    assert found["verdict"]["sentence"].endswith(".")
    assert found["verdict"]["confidence"].partition(":")[0] in {"high", "fair", "low"}
    assert found["verdict"]["tone"] in {"good", "plain", "bad"}
    assert found["exit_code"] == 0
    assert any(note.startswith("Planted symmetric:0.3") for note in found["notes"])
    assert "score: 81 samples in " in told


def test_paths_are_whole_wherever_one_stands(table, tmp_path, capsys, monkeypatch):
    data = table()
    monkeypatch.chdir(tmp_path)
    assert app.main(["score", data, *QUICK, "--json", "--out", "run"]) == 0
    assert only_object(capsys.readouterr().out)["run"] == str(tmp_path / "run")


def test_a_gate_that_is_not_met_still_gives_the_object(table, tmp_path, capsys):
    words = ["score", table(), *QUICK, "--noise", "symmetric:0.4", "--fail-if-noise-above", "0"]
    assert app.main([*words, "--json", "--out", str(tmp_path / "run")]) == 3
    said, told = capsys.readouterr()
    assert only_object(said)["exit_code"] == 3
    assert told.splitlines()[-1].startswith("Gate not met")


def test_a_finished_run_gives_its_metrics_again(table, tmp_path, capsys):
    words = ["score", table(), *QUICK, "--out", str(tmp_path / "run"), "--json", "--resume"]
    assert app.main(words) == 0
    first = only_object(capsys.readouterr().out)
    assert app.main(words) == 0
    again = only_object(capsys.readouterr().out)
    assert again == first


def test_what_other_code_prints_does_not_get_into_the_object(table, tmp_path, capsys, monkeypatch):
    (tmp_path / "loud_nets.py").write_text(
        "from torch import nn\n"
        "def build():\n    print('building')\n"
        "    return nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    words = ["score", table(), "--epochs", "1", "--model", "loud_nets:build", "--device", "cpu"]
    assert app.main([*words, "--json", "--out", str(tmp_path / "run")]) == 0
    said, told = capsys.readouterr()
    only_object(said)
    assert "building" in told


def test_doctor_as_an_object(table, capsys):
    assert app.main(["doctor", table(), "--device", "cpu", "--json"]) == 0
    found = only_object(capsys.readouterr().out)
    assert set(found) == {"environment", "data", "network", "estimate", "exit_code"}
    assert found["data"]["per_class"] == {"0": 30, "1": 30, "2": 30}
    assert found["network"]["model"] == "mlp"
    assert found["estimate"]["repair_seconds"] > 0


def test_inject_as_an_object(tmp_path, capsys):
    words = ["inject", "digits", "--noise", "symmetric:0.4", "--out", str(tmp_path / "noisy.parquet")]
    assert app.main([*words, "--json"]) == 0
    found = only_object(capsys.readouterr().out)
    assert (found["data"], found["truth"]) == (
        str(tmp_path / "noisy.parquet"),
        str(tmp_path / "truth.parquet"),
    )
    assert found["rate"] == pytest.approx(0.4, abs=0.001)
    assert len(found["per_class"]) == 10


def test_export_as_an_object(run, tmp_path, capsys):
    words = ["export", str(run), "--format", "ids", "--out", str(tmp_path / "kept.txt"), "--json"]
    assert app.main(words) == 0
    out = str(tmp_path / "kept.txt")
    assert only_object(capsys.readouterr().out) == {
        "run": str(run), "format": "ids", "out": out, "exit_code": 0,
    }  # fmt: skip


def test_bench_as_an_object(tmp_path, capsys):
    words = ["bench", "smoke", "--only", "digits-clean/nothing/", "--json", "--device", "cpu"]
    words += ["--out", str(tmp_path / "out"), "--networks", str(tmp_path / "networks")]
    assert app.main([*words, "--list"]) == 0
    assert only_object(capsys.readouterr().out)["measured"] == {"digits-clean/nothing/0": False}
    assert app.main(words) == 0
    found = only_object(capsys.readouterr().out)
    assert [row["name"] for row in found["rows"]] == ["nothing"]
    assert (found["left"], found["out_of_range"]) == (0, [])
    assert Path(found["page"]).is_file()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["repair", "nowhere", "--json"], "nowhere does not exist"),
        (["repair", "--jsn", "--json"], "No such option: --jsn. Did you mean --json?"),
        (["export", "nowhere", "--format", "ids", "--out", "o", "--json"], "There is no run folder nowhere"),
    ],
)
def test_an_error_is_an_object_too(words, sentence, capsys):
    assert app.main(words) == 1
    said, told = capsys.readouterr()
    found = only_object(said)
    assert found["exit_code"] == 1
    assert sentence in found["error"]
    assert not found["error"].startswith("Error: ")
    assert sentence in told


@pytest.mark.parametrize(("error", "code"), [(Unfinished("go on."), 130), (ZeroDivisionError("x"), 2)])
def test_a_run_that_ends_early_is_an_object_too(error, code, capsys, monkeypatch, tmp_path):
    def work(*_):
        raise error

    monkeypatch.setattr("unchaff.cli.examination.sections", work)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert app.main(["doctor", "--json"]) == code
    assert only_object(capsys.readouterr().out)["exit_code"] == code


def test_numbers_that_are_none_are_null(capsys):
    found = answer.Answer(content={"a": [float("nan")], "b": {"c": float("-inf")}}, tell=lambda: None, code=3)
    assert answer.give(options.Answering(json=True), found) == 3
    assert only_object(capsys.readouterr().out) == {"a": [None], "b": {"c": None}, "exit_code": 3}


def test_help_is_help_also_beside_json(capsys):
    assert app.main(["repair", "--json", "--help"]) == 0
    assert "Usage: unchaff repair" in capsys.readouterr().out


def test_hostile_names_are_escaped_in_the_object(capsys):
    assert app.main(["repair", "\u202e\x1b[2J\udce9", "--json"]) == 1
    said = capsys.readouterr().out
    assert "\u202e" in only_object(said)["error"] or "\\u202e" in said
    assert "\x1b" not in said


@pytest.mark.parametrize("command", ["repair", "score"])
def test_quiet_prints_the_run_folder_alone(table, tmp_path, capsys, command):
    out = tmp_path / "run"
    assert app.main([command, table(), *QUICK, "--quiet", "--out", str(out)]) == 0
    assert capsys.readouterr() == (f"{out}\n", "")


def test_quiet_of_other_commands(run, tmp_path, table, capsys):
    capsys.readouterr()
    kept, noisy = tmp_path / "kept.txt", tmp_path / "noisy.parquet"
    assert app.main(["export", str(run), "--format", "ids", "--out", str(kept), "-q"]) == 0
    assert app.main(["inject", "digits", "--noise", "symmetric:0.4", "--out", str(noisy), "-q"]) == 0
    assert app.main(["doctor", table(), "--device", "cpu", "-q"]) == 0
    assert capsys.readouterr() == (f"{kept}\n{noisy}\n", "")


def test_quiet_still_says_errors_and_gates(table, tmp_path, capsys):
    assert app.main(["score", "nowhere", "--quiet"]) == 1
    words = ["score", table(), *QUICK, "--noise", "symmetric:0.4", "--fail-if-noise-above", "0"]
    assert app.main([*words, "--quiet", "--out", str(tmp_path / "run")]) == 3
    said = capsys.readouterr().err
    assert "nowhere does not exist" in said
    assert "Gate not met" in said
