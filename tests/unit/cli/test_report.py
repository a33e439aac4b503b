import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from unchaff.cli import app

QUICK = ["--epochs", "2", "--model", "mlp", "--device", "cpu", "--controls", "none"]
NOT_SHOWN = "Samples are named and not shown"


@pytest.fixture
def made(table, tmp_path: Path) -> Path:
    """A run on a table of numbers."""
    out = tmp_path / "run"
    assert app.main(["repair", table(), *QUICK, "--noise", "symmetric:0.3", "--out", str(out)]) == 0
    return out


@pytest.mark.parametrize("noise", ["symmetric:0.4", "gaussian:0.3+symmetric:0.2", "foreign:0.3"])
def test_the_page_comes_back_byte_by_byte(tmp_path, capsys, monkeypatch, noise):
    (tmp_path / "digits").mkdir()  # is not the data, though it has their name
    monkeypatch.chdir(tmp_path)
    out = tmp_path / "run"
    words = ["repair", "digits", *QUICK, "--method", "unlearn-pruned", "--noise", noise, "--out", str(out)]
    assert app.main(words) == 0
    first = (out / "report.html").read_bytes()
    assert b"data:image/png" in first
    (out / "report.html").unlink()
    capsys.readouterr()
    assert app.main(["report", str(out)]) == 0
    said, asides = capsys.readouterr()
    assert said == f"Written: {out / 'report.html'}.\n"
    assert NOT_SHOWN not in asides
    assert (out / "report.html").read_bytes() == first


def test_the_files_of_the_page_are_the_same_for_the_same_seed(tmp_path):
    words = ["repair", "digits", *QUICK, "--method", "unlearn-pruned", "--noise", "symmetric:0.4"]
    for name in ("first", "second"):
        assert app.main([*words, "--out", str(tmp_path / name)]) == 0
    for file in ("training.parquet", "plan.json"):
        assert (tmp_path / "first" / file).read_bytes() == (tmp_path / "second" / file).read_bytes()


def test_what_pruned_units_responded_to_is_written(tmp_path):
    out = tmp_path / "run"
    words = ["repair", "digits", *QUICK, "--method", "unlearn-pruned", "--noise", "symmetric:0.4"]
    assert app.main([*words, "--out", str(out)]) == 0
    plan = json.loads((out / "plan.json").read_text())
    if plan["units"]:
        strongest = max(plan["units"], key=lambda unit: abs(unit["sensitivity"]))
        assert {name: plan["driven"][0][name] for name in ("layer", "unit")} == {
            name: strongest[name] for name in ("layer", "unit")
        }
        assert plan["driven"][0]["activations"] == sorted(plan["driven"][0]["activations"], reverse=True)
    assert json.loads((out / "manifest.json").read_text())["seconds"]["report"] > 0


def test_data_that_moved_are_said_and_can_be_named(made, tmp_path, capsys):
    data = Path(json.loads((made / "manifest.json").read_text())["config"]["data"])
    first = (made / "report.html").read_text()
    moved = data.rename(tmp_path / "moved.npz")
    assert app.main(["report", str(made)]) == 1, "a page with samples would be lost"
    told = capsys.readouterr().err
    assert f"{data} does not exist" in told
    assert "name them with --data" in told
    assert "Choose another --out, or give --overwrite." in told
    assert (made / "report.html").read_text() == first
    assert app.main(["report", str(made), "--overwrite"]) == 0
    assert f"{NOT_SHOWN}: {data} does not exist" in capsys.readouterr().err
    assert NOT_SHOWN in (made / "report.html").read_text()
    assert app.main(["report", str(made)]) == 0, "nothing is lost any more"
    assert app.main(["report", str(made), "--data", str(moved), "--out", str(tmp_path / "page.html")]) == 0
    assert (tmp_path / "page.html").read_text() == first


def test_data_that_changed_are_not_shown(made, capsys):
    data = json.loads((made / "manifest.json").read_text())["config"]["data"]
    held = dict(np.load(data))
    np.savez(data, **{**held, "x": held["x"] + 1})
    assert app.main(["report", str(made), "--overwrite"]) == 0
    assert "holds other inputs than when" in capsys.readouterr().err
    text = (made / "report.html").read_text()
    assert NOT_SHOWN in text
    assert "<dt>column 0</dt>" not in text


def test_a_file_that_is_no_page_is_not_written_over(made, tmp_path, capsys):
    notes = tmp_path / "notes.txt"
    notes.write_text("precious")
    assert app.main(["report", str(made), "--out", str(notes)]) == 1
    assert "notes.txt exists. Choose another --out, or give --overwrite." in capsys.readouterr().err
    assert notes.read_text() == "precious"
    assert app.main(["report", str(made), "--out", str(notes), "--overwrite"]) == 0
    before = (made / "metrics.json").read_bytes()
    for words in (["report"], ["export", "--format", "ids"], ["review"]):
        place = "--export" if words == ["review"] else "--out"
        command = [words[0], str(made), *words[1:], place, str(made / "metrics.json"), "--overwrite"]
        assert app.main(command) == 1
        assert f"is part of the run itself. Choose another {place}." in capsys.readouterr().err
    assert (made / "metrics.json").read_bytes() == before


def test_data_in_another_order_are_not_exported_with_the_labels_of_other_rows(made, tmp_path, capsys):
    data = json.loads((made / "manifest.json").read_text())["config"]["data"]
    held = dict(np.load(data))
    np.savez(data, **{name: each[::-1] for name, each in held.items()})
    out = tmp_path / "out.parquet"
    assert app.main(["export", str(made), "--format", "dataset", "--out", str(out)]) == 1
    assert "holds other inputs than when" in capsys.readouterr().err
    assert not out.exists()


def test_a_run_from_python_shows_samples_where_the_user_says_they_lie(made, tmp_path, capsys):
    manifest = json.loads((made / "manifest.json").read_text())
    data = manifest.pop("data_path")
    (made / "manifest.json").write_text(json.dumps({**manifest, "config": {"made": "unchaff.repair"}}))
    out = tmp_path / "page.html"
    assert app.main(["report", str(made), "--out", str(out)]) == 0
    assert "was saved from Python" in capsys.readouterr().err
    assert NOT_SHOWN in out.read_text()
    assert app.main(["report", str(made), "--data", data, "--out", str(out)]) == 0
    assert NOT_SHOWN not in capsys.readouterr().err
    assert "<dt>column 0</dt>" in out.read_text()


def test_data_that_were_named_from_another_folder_are_found(table, tmp_path, capsys, monkeypatch):
    table()
    monkeypatch.chdir(tmp_path)
    assert app.main(["score", "data.npz", *QUICK[:-2], "--out", "run"]) == 0
    page = (tmp_path / "run" / "report.html").read_text()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    capsys.readouterr()
    assert app.main(["report", str(tmp_path / "run")]) == 0
    assert NOT_SHOWN not in capsys.readouterr().err
    assert (tmp_path / "run" / "report.html").read_text() == page
    assert "unchaff: data.npz" in page, "as it was typed"


def test_a_page_has_a_name_and_its_folder_is_made(made, tmp_path, capsys):
    assert app.main(["report", str(made), "--out", str(tmp_path)]) == 1
    assert "is a folder. Give --out" in capsys.readouterr().err
    assert app.main(["report", str(made), "--out", str(tmp_path / "new" / "page.html")]) == 0
    assert (tmp_path / "new" / "page.html").is_file()


def test_a_broken_table_is_the_only_thing_said(made, capsys):
    (made / "quality.parquet").write_bytes(b"no")
    capsys.readouterr()
    assert app.main(["report", str(made)]) == 1
    told = capsys.readouterr().err
    assert "quality.parquet" in told
    assert len(told.splitlines()) == 1


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (shutil.rmtree, "There is no run folder"),
        (lambda run: (run / "metrics.json").unlink(), "lacks metrics.json. Run the repair"),
        (lambda run: (run / "metrics.json").write_text("{}"), "metrics.json says in another way"),
        (lambda run: (run / "training.parquet").write_bytes(b"no"), "training.parquet cannot be read"),
        (
            lambda run: (run / "manifest.json").write_text(
                json.dumps({**json.loads((run / "manifest.json").read_text()), "format": 99})
            ),
            "newer version",
        ),
        (lambda run: (shutil.rmtree(run), (run / "unfinished").mkdir(parents=True)), "--resume"),
    ],
)
def test_what_is_no_run_is_one_sentence(made, capsys, change, said):
    change(made)
    capsys.readouterr()
    assert app.main(["report", str(made)]) == 1
    told = capsys.readouterr().err
    assert said in told
    assert len(told.splitlines()) == 1
