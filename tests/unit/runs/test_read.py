from pathlib import Path

import pytest

from unchaff.errors import RunFolderError
from unchaff.runs.read import read
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
