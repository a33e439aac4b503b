import json
import os
from pathlib import Path

import pytest

from unchaff.errors import RunFolderError
from unchaff.runs.layout import FORMAT
from unchaff.runs.read import read
from unchaff.runs.rebuilt import network
from unchaff.runs.unfinished import finished
from unchaff.runs.write import write


@pytest.fixture
def folder(tmp_path: Path, run) -> Path:
    return write(tmp_path / "run", run, lambda *_: "")


def test_what_was_written_is_read(folder: Path) -> None:
    found = read(folder)
    assert found.metrics["after"]["accuracy"] == 1.0
    assert found.plan["units"] == [{"layer": "1", "unit": 2, "sensitivity": 0.25}]
    assert found.manifest["seed"] == 0
    assert found.model["model"] == "mlp"
    assert found.class_names == ("cat", "dog")
    assert found.quality.num_rows == 6


def test_no_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match=r"no run folder .*nowhere"):
        read(tmp_path / "nowhere")


def test_another_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match=r"lacks metrics.json, plan.json"):
        read(tmp_path)


def test_a_file_is_no_run_folder(folder: Path) -> None:
    with pytest.raises(RunFolderError, match=r"report.html is a file, not a run folder. Give the folder"):
        read(folder / "report.html")


def test_a_folder_of_runs_names_the_latest(tmp_path: Path, folder: Path, run) -> None:
    write(tmp_path / "older", run, lambda *_: "")
    os.utime(tmp_path / "older" / "manifest.json", (0, 0))
    with pytest.raises(RunFolderError, match=rf"It holds runs: give one of them, such as {folder}\."):
        read(tmp_path)


def test_an_unfinished_run_is_named(tmp_path: Path) -> None:
    (tmp_path / "run" / "unfinished").mkdir(parents=True)
    with pytest.raises(RunFolderError, match=r"holds an unfinished run, .* with --resume\."):
        read(tmp_path / "run")


@pytest.mark.parametrize("name", ["manifest.json", "model.json"])
def test_the_format_is_written(folder: Path, name: str) -> None:
    assert json.loads((folder / name).read_text())["format"] == FORMAT


@pytest.mark.parametrize(
    ("found", "message"),
    [(FORMAT + 1, "newer version of unchaff .*Upgrade"), ("1", "no whole number"), (True, "no whole number")],
)
@pytest.mark.parametrize("name", ["manifest.json", "model.json"])
def test_a_folder_of_another_format_is_refused(folder: Path, name: str, found: object, message: str) -> None:
    content = json.loads((folder / name).read_text())
    (folder / name).write_text(json.dumps(content | {"format": found}))
    with pytest.raises(RunFolderError, match=rf"{name} .*{message}"):
        _ = read(folder).model


def test_a_folder_from_before_the_format_is_read(folder: Path) -> None:
    content = json.loads((folder / "manifest.json").read_text())
    del content["format"]
    (folder / "manifest.json").write_text(json.dumps(content))
    assert read(folder).manifest["seed"] == 0


def test_a_finished_run_of_a_newer_version_is_not_gone_on_with(folder: Path) -> None:
    content = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(content | {"format": FORMAT + 1}))
    with pytest.raises(RunFolderError, match="Upgrade unchaff"):
        finished(folder, content["config"], dict)


@pytest.mark.parametrize(("content", "message"), [("{", "not readable JSON"), ("[]", "holds list")])
def test_broken_json_is_named(folder: Path, content: str, message: str) -> None:
    (folder / "metrics.json").write_text(content)
    with pytest.raises(RunFolderError, match=rf"metrics.json.* {message}"):
        read(folder)


def test_a_broken_table_is_named_when_it_is_asked_for(folder: Path) -> None:
    (folder / "quality.parquet").write_bytes(b"garbage")
    found = read(folder)
    with pytest.raises(RunFolderError, match=r"quality.parquet cannot be read"):
        _ = found.quality


def test_scoring_alone_has_no_network(tmp_path: Path, scored) -> None:
    write(tmp_path / "run", scored, lambda *_: "")
    with pytest.raises(RunFolderError, match="holds no network"):
        _ = read(tmp_path / "run").model
    with pytest.raises(RunFolderError, match="holds no network: it was made by scoring alone"):
        network(read(tmp_path / "run"))
