import json

import pyarrow.parquet as pq
import pytest

from unchaff.cli import app

QUICK = ["--epochs", "2", "--model", "mlp", "--device", "cpu"]
FILES = {
    "model.safetensors",
    "model.json",
    "quality.parquet",
    "plan.json",
    "metrics.json",
    "manifest.json",
    "report.html",
}


def test_a_repair_writes_its_run_folder_and_prints_its_table(table, tmp_path, capsys):
    out = tmp_path / "run"
    words = ["repair", table(), *QUICK, "--noise", "symmetric:0.3", "--out", str(out)]
    assert app.main(words) == 0
    said, progress = capsys.readouterr()
    for expected in ("before", "repaired", "control: finetune-all", "AUROC", "kept", f"Run folder: {out}\n"):
        assert expected in said
    assert "control 1 of 1, finetune-all: " in progress
    assert f"Report: {out / 'report.html'}\n" in said
    assert {file.name for file in out.iterdir()} >= FILES
    assert pq.read_table(out / "quality.parquet").num_rows == 90
    replay = json.loads((out / "manifest.json").read_text())
    assert replay["command"].startswith("unchaff repair ")
    assert replay["config"]["noise"] == "symmetric:0.3"


def test_a_score_changes_no_network(table, tmp_path, capsys):
    out = tmp_path / "run"
    assert app.main(["score", table(), *QUICK, "--out", str(out)]) == 0
    assert "repaired" not in capsys.readouterr().out
    written = {file.name for file in out.iterdir()}
    assert {"quality.parquet", "manifest.json", "report.html"} <= written
    assert "model.safetensors" not in written


@pytest.mark.parametrize(("limit", "code"), [("1.0", 0), ("0.0", 3)])
def test_the_noise_gate(table, tmp_path, limit, code):
    words = ["score", table(), *QUICK, "--noise", "symmetric:0.4", "--out", str(tmp_path / "run")]
    assert app.main([*words, "--fail-if-noise-above", limit]) == code
    assert (tmp_path / "run" / "quality.parquet").exists()


def test_the_same_command_writes_the_same_bytes(table, tmp_path):
    data = table()
    for name in ("first", "second"):
        words = ["repair", data, *QUICK, "--noise", "symmetric:0.3", "--controls", "none"]
        assert app.main([*words, "--out", str(tmp_path / name)]) == 0
    for file in ("quality.parquet", "model.safetensors", "plan.json"):
        assert (tmp_path / "first" / file).read_bytes() == (tmp_path / "second" / file).read_bytes()


def test_an_old_run_is_replaced_only_when_asked(table, tmp_path, capsys):
    words = ["repair", table(), *QUICK, "--controls", "none", "--out", str(tmp_path / "run")]
    assert app.main(words) == 0
    before = (tmp_path / "run" / "manifest.json").read_bytes()
    assert app.main(words) == 1
    assert "--overwrite" in capsys.readouterr().err
    assert (tmp_path / "run" / "manifest.json").read_bytes() == before
    assert app.main([*words, "--overwrite"]) == 0


@pytest.mark.parametrize("has_test", [False, True])
def test_judging_the_holdout_is_no_part_of_what_the_repair_took(table, tmp_path, capsys, has_test):
    out, data = tmp_path / "run", table()
    given = ["--test", data] if has_test else []
    assert app.main(["repair", data, *QUICK, *given, "--controls", "none", "--out", str(out)]) == 0
    cost = json.loads((out / "metrics.json").read_text())["cost"]
    assert "hold-out" not in cost["stages"]
    assert sum(stage["flops"] for stage in cost["stages"].values()) == pytest.approx(cost["flops"])
    assert (cost["holdout"] is None) == has_test
    assert has_test or cost["holdout"]["flops"] > 0
    assert ("judging the hold-out" in capsys.readouterr().out) != has_test
    assert app.main(["report", str(out), "--out", str(tmp_path / "again.html")]) == 0
    assert ("apart: hold-out" in (tmp_path / "again.html").read_text()) != has_test
