import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from unchaff.errors import RunFolderError
from unchaff.runs.manifest import hashes
from unchaff.runs.unfinished import finished
from unchaff.runs.write import check_writable, write

FILES = {
    "model.safetensors", "model.json", "quality.parquet", "plan.json", "metrics.json", "manifest.json",
    "report.html",
}  # fmt: skip


def page(run, samples) -> str:
    return f"<p>{run.kind} {run.manifest['seed']} {len(samples)}</p>"


def broken_page(*_) -> str:
    raise KeyboardInterrupt


def test_all_files_are_there_and_nothing_else(tmp_path: Path, run) -> None:
    write(tmp_path / "new" / "run", run, page)
    assert {file.name for file in (tmp_path / "new" / "run").iterdir()} == FILES
    assert [file.name for file in (tmp_path / "new").iterdir()] == ["run"]


def test_scoring_writes_no_network(tmp_path: Path, scored) -> None:
    write(tmp_path / "run", scored, lambda *_: "")
    assert {file.name for file in (tmp_path / "run").iterdir()} == FILES - {"model.safetensors", "model.json"}


def test_model_json_says_how_to_rebuild(tmp_path: Path, run) -> None:
    write(tmp_path / "run", run, page)
    told = json.loads((tmp_path / "run" / "model.json").read_text())
    assert told["model"] == "mlp"
    assert told["class_names"] == ["cat", "dog"]
    assert told["input"] == {"kind": "image", "shape": [1, 2, 2], "views": ["plain"], "rate": None}
    assert (told["pruned_units"], told["modifications"]) == ({"1": [2]}, ["mask 1"])
    torch.testing.assert_close(
        load_file(tmp_path / "run" / "model.safetensors"), dict(run.outcome.model.state_dict())
    )


def test_a_report_that_cannot_be_drawn_costs_no_result(tmp_path: Path, run) -> None:
    def fails(*_) -> str:
        raise ValueError("no <chart>")

    write(tmp_path / "run", run, fails)
    assert {file.name for file in (tmp_path / "run").iterdir()} == FILES
    text = (tmp_path / "run/report.html").read_text()
    assert "could not be drawn (ValueError: no &lt;chart&gt;)" in text
    assert "unchaff report" in text


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_a_stop_in_the_middle_leaves_nothing(tmp_path: Path, run, error) -> None:
    def stops(*_) -> str:
        raise error

    with pytest.raises(error):
        write(tmp_path / "run", run, stops)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_nothing(tmp_path: Path, run, monkeypatch) -> None:
    def no_space(file: Path, content: bytes) -> int:
        if file.name == "metrics.json":
            raise OSError(28, "No space left on device")
        return len(content)

    monkeypatch.setattr(Path, "write_bytes", no_space)
    with pytest.raises(RunFolderError, match=r"could not be written .*No space left.*Nothing was left"):
        write(tmp_path / "run", run, page)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_with_something_in_it_is_refused(tmp_path: Path, run) -> None:
    (tmp_path / "mine.txt").write_text("keep me")
    with pytest.raises(RunFolderError, match=r"is not empty.*--overwrite"):
        write(tmp_path, run, page)
    with pytest.raises(RunFolderError, match="something else than a run, and is not deleted"):
        write(tmp_path, run, page, overwrite=True)
    assert (tmp_path / "mine.txt").read_text() == "keep me"


def test_an_empty_folder_is_used(tmp_path: Path, run) -> None:
    (tmp_path / "run").mkdir()
    write(tmp_path / "run", run, page)
    assert (tmp_path / "run" / "report.html").is_file()


@pytest.mark.parametrize("name", ["notes.txt", ".notes"])
def test_overwrite_deletes_nothing_that_is_not_of_the_run(tmp_path: Path, make_run, name: str) -> None:
    write(tmp_path / "run", make_run(0), page)
    (tmp_path / "run" / name).write_text("mine")
    with pytest.raises(RunFolderError, match=rf"not of the run \({name}\), and is not replaced"):
        write(tmp_path / "run", make_run(1), page, overwrite=True)
    assert (tmp_path / "run" / name).read_text() == "mine"


def test_overwrite_replaces_only_with_a_complete_run(tmp_path: Path, make_run) -> None:
    write(tmp_path / "run", make_run(0), page)
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / "run", make_run(1), broken_page, overwrite=True)
    assert (tmp_path / "run" / "report.html").read_text() == "<p>image 0 6</p>"
    write(tmp_path / "run", make_run(1), page, overwrite=True)
    assert (tmp_path / "run" / "report.html").read_text() == "<p>image 1 6</p>"
    assert [file.name for file in tmp_path.iterdir()] == ["run"]


def test_the_old_run_comes_back_when_the_last_rename_fails(tmp_path: Path, make_run, monkeypatch) -> None:
    write(tmp_path / "run", make_run(0), page)
    rename = Path.rename

    def fails(file: Path, target: Path) -> Path:
        if file.name.endswith(".partial"):
            raise OSError("not today")
        return rename(file, target)

    monkeypatch.setattr(Path, "rename", fails)
    with pytest.raises(RunFolderError, match="not today"):
        write(tmp_path / "run", make_run(1), page, overwrite=True)
    assert (tmp_path / "run" / "report.html").read_text() == "<p>image 0 6</p>"
    assert [file.name for file in tmp_path.iterdir()] == ["run"]


def test_a_place_without_permission_is_found_before_the_work(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(RunFolderError, match=f"no permission to write into {tmp_path}"):
        check_writable(tmp_path / "a" / "run")


def test_a_file_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunFolderError, match="is a file, so"):
        check_writable(tmp_path / "file" / "run")
    with pytest.raises(RunFolderError, match="is a file; a run is written into a folder"):
        check_writable(tmp_path / "file")


def test_same_run_same_bytes(tmp_path: Path, make_run) -> None:
    for name in ("first", "second"):
        write(tmp_path / name, make_run(0), page)
    for name in ("quality.parquet", "model.safetensors", "plan.json", "metrics.json", "model.json"):
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes(), name


def test_tied_weights_and_an_input_filter_are_written(tmp_path: Path, run) -> None:
    tied = nn.Sequential(nn.Flatten(), nn.Linear(4, 4), nn.Linear(4, 4))
    tied[2].weight = tied[1].weight
    outcome = replace(run.outcome, model=tied, preprocess=nn.BatchNorm2d(1))
    write(tmp_path / "run", replace(run, outcome=outcome), page)
    assert "2.weight" in load_file(tmp_path / "run" / "model.safetensors")
    assert "running_mean" in load_file(tmp_path / "run" / "preprocess.safetensors")


def test_manifest_tells_enough_to_replay(tmp_path: Path, run) -> None:
    write(tmp_path / "run", run, page)
    told = json.loads((tmp_path / "run" / "manifest.json").read_text())
    assert told["command"] == "unchaff repair digits"
    assert told["config"] == {"data": "digits", "folder": ["a", 1]}
    assert set(told["versions"]) == {"unchaff", "torch", "numpy", "python"}
    assert told["recipe"]["epochs"] == 2
    assert told["seconds"].pop("report") > 0  # told apart
    assert told["seconds"] == {"all": 1.5, "stage score": 1.5, "control finetune-all": 1.5}
    assert len(told["weights"]["before_sha256"]) == len(told["data"]["inputs_sha256"]) == 64
    assert told["weights"]["before_sha256"] != told["weights"]["after_sha256"]
    assert str(Path.home()) not in (tmp_path / "run" / "manifest.json").read_text()


def test_hashes_tell_other_data_apart(run) -> None:
    relabelled = hashes(run.samples.relabel(1 - run.samples.labels))
    same = hashes(run.samples)
    assert relabelled["ids_and_labels_sha256"] != same["ids_and_labels_sha256"]
    assert relabelled["inputs_sha256"] == same["inputs_sha256"]


def test_what_a_run_replaced_goes_though_it_was_killed_at_the_very_end(tmp_path: Path, run) -> None:
    write(tmp_path / "run", run, page)
    (tmp_path / ".run.0123abcd.partial.old" / "unfinished").mkdir(parents=True)
    settings = {"command": "repair", "data": "digits", "folder": ["a", 1]}
    assert finished(tmp_path / "run", settings, lambda: hashes(run.samples)) is not None
    assert [file.name for file in tmp_path.iterdir()] == ["run"]
