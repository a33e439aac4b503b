import importlib.util
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from pyarrow import csv

from made_runs import write_rows
from unchaff import load
from unchaff.cli import app
from unchaff.exports import FORMATS, PROGRAMS
from unchaff.runs.read import read

QUICK = ["--model", "mlp", "--epochs", "3", "--device", "cpu", "--controls", "none"]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Return a run folder of rows of numbers, a third of whose labels are wrong."""
    folder = tmp_path_factory.mktemp("rows")
    write_rows(folder / "data.npz", 150)
    words = ["repair", str(folder / "data.npz"), *QUICK, "--noise", "symmetric:0.3"]
    assert app.main([*words, "--out", str(folder / "run")]) == 0
    return folder / "run"


@pytest.fixture
def export(made, tmp_path):
    def to(name, run=made):
        {**FORMATS, **PROGRAMS}[name](read(run), tmp_path / name)
        return tmp_path / name

    return to


def test_kept_ids_are_listed(made, export):
    table = read(made).quality.to_pydict()
    kept = [one for one, is_kept in zip(table["id"], table["kept"], strict=True) if is_kept]
    assert [int(line) for line in export("ids").read_text().split()] == kept
    assert 50 < len(kept) < 150


def test_quality_is_a_table(made, export):
    found = pq.read_table(export("quality")).to_pydict()
    table = read(made).quality.to_pydict()
    assert found == {"id": table["id"], "keep": table["kept"], "quality": table["quality"]}


def test_the_data_come_with_a_keep_column_and_the_labels_of_the_run(made, export):
    table = read(made).quality.to_pydict()
    found = pq.read_table(export("dataset"))
    assert found.column("keep").to_pylist() == table["kept"]
    assert found.column("label").to_pylist() == table["label"], "with the noise that was planted"
    described = json.loads(found.schema.metadata[b"huggingface"])["info"]["features"]
    assert set(described) == set(found.column_names)
    assert described["keep"] == {"_type": "Value", "dtype": "bool"}


def test_label_issues_have_the_columns_of_cleanlab(made, export):
    found = csv.read_csv(export("cleanlab")).to_pydict()
    assert list(found) == ["id", "is_label_issue", "label_score", "given_label", "predicted_label"]
    assert found["is_label_issue"] == [not kept for kept in read(made).quality.column("kept").to_pylist()]


def test_tasks_are_the_rejected_samples_worst_first(made, export):
    tasks = json.loads(export("label-studio").read_text())
    table = read(made).quality.to_pydict()
    assert len(tasks) == table["kept"].count(False) > 10
    scores = [task["predictions"][0]["score"] for task in tasks]
    assert scores == sorted(scores, reverse=True)
    worst = int(np.argmin(table["quality"]))
    assert tasks[0]["data"]["id"] == table["id"][worst]
    assert tasks[0]["data"]["given_label"] == read(made).class_names[table["label"][worst]]
    assert tasks[0]["data"]["text"].count(",") == 5, "a row is shown as its numbers"


def test_data_that_changed_are_noticed(made):
    data = Path(read(made).manifest["config"]["data"])
    held = data.read_bytes()
    with np.load(data) as arrays:
        np.savez(data, x=arrays["x"][1:], y=arrays["y"][1:])
    try:
        assert app.main(["export", str(made), "--format", "dataset", "--out", str(data.with_name("d"))]) == 1
        assert not data.with_name("d").exists()
    finally:
        data.write_bytes(held)


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_a_program_answers_as_the_network(made, export):
    program = torch.export.load(str(export("torch"))).module()
    inputs = torch.randn(7, 6, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(program(inputs), load(made)(inputs))


def test_an_onnx_model_answers_as_the_network_or_says_what_is_missing(made, tmp_path, capfd):
    code = app.main(["export", str(made), "--format", "onnx", "--out", str(tmp_path / "model.onnx")])
    if importlib.util.find_spec("onnxscript") is None or importlib.util.find_spec("onnxruntime") is None:
        assert code == 1
        assert "pip install 'unchaff[onnx]'" in capfd.readouterr().err
        assert not (tmp_path / "model.onnx").exists()
    else:
        assert code == 0
        assert (tmp_path / "model.onnx").stat().st_size > 1000
        assert capfd.readouterr().err == "", "what the exporter says of itself is nobody's business"


def test_files_are_named_for_tools_that_show_them(tmp_path, export):
    for row in range(40):
        place = tmp_path / "pictures" / "ab"[row % 2]
        place.mkdir(parents=True, exist_ok=True)
        grey = np.full((8, 8), 40 + 150 * (row % 2) + row, dtype=np.uint8)
        Image.fromarray(grey).save(place / f"{row}.png")
    run = tmp_path / "run"
    assert app.main(["score", str(tmp_path / "pictures"), *QUICK[:-2], "--out", str(run)]) == 0
    samples = json.loads(export("fiftyone", run).read_text())
    assert len(samples) == 40
    assert all(Path(one["filepath"]).is_file() for one in samples)
    assert {one["ground_truth"] for one in samples} == {"a", "b"}


def test_rows_are_no_files_for_fiftyone(made, tmp_path, capsys):
    assert app.main(["export", str(made), "--format", "fiftyone", "--out", str(tmp_path / "f")]) == 1
    assert "are no files" in capsys.readouterr().err


def test_a_file_that_exists_is_kept(made, tmp_path, capsys):
    (tmp_path / "ids").write_text("mine")
    words = ["export", str(made), "--format", "ids", "--out", str(tmp_path / "ids")]
    assert app.main(words) == 1
    assert "--overwrite" in capsys.readouterr().err
    assert (tmp_path / "ids").read_text() == "mine"
    assert app.main([*words, "--overwrite"]) == 0


def test_data_that_name_files_stay_beside_them(tmp_path, capsys):
    draw = np.random.default_rng(0)
    names, labels = [f"{row:02}.png" for row in range(60)], [row % 2 for row in range(60)]
    for name, label in zip(names, labels, strict=True):
        Image.fromarray(draw.integers(100 * label, 156 + 100 * label, (8, 8), np.uint8)).save(tmp_path / name)
    pq.write_table(pa.table({"image": names, "label": labels}), tmp_path / "train.parquet")
    run = str(tmp_path / "run")
    assert app.main(["repair", str(tmp_path / "train.parquet"), *QUICK, "--out", run]) == 0
    capsys.readouterr()
    elsewhere = tmp_path / "elsewhere" / "kept.parquet"
    assert app.main(["export", run, "--format", "dataset", "--out", str(elsewhere)]) == 1
    assert f"names files in its folder. Write the new table into {tmp_path} too" in capsys.readouterr().err
    assert not elsewhere.exists()
    assert app.main(["export", run, "--format", "dataset", "--out", str(tmp_path / "kept.parquet")]) == 0
    assert pq.read_table(tmp_path / "kept.parquet").column("image").to_pylist() == names
