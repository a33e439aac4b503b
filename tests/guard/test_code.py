"""No code is run but what the command line names."""

import io
import json
import pickle
import shutil
import sys
import zipfile

import numpy as np
import pytest
import torch

import unchaff
from unchaff.cli import app
from unchaff.errors import RunFolderError, UnchaffError
from unchaff.runs.read import read


class Payload:
    """Makes a file when it is unpickled."""

    def __init__(self, mark):
        self.mark = str(mark)

    def __reduce__(self):
        return (open, (self.mark, "w"))


@pytest.fixture
def mark(tmp_path):
    """Return the file that the payload would make."""
    yield tmp_path / "mark"
    assert not (tmp_path / "mark").exists(), "code in a file was run"


@pytest.fixture
def score(tmp_path, refused, quick):
    """Return a function that expects a run to be refused, and that nothing is written."""

    def run(data, *words):
        refused("score", data, *quick, *words, "--out", tmp_path / "run")
        assert not (tmp_path / "run").exists()

    return run


def plain(payload):
    return pickle.dumps(payload)


def state(payload):
    buffer = io.BytesIO()
    torch.save({"weight": payload}, buffer)
    return buffer.getvalue()


def old_state(payload):
    buffer = io.BytesIO()
    torch.save({"weight": payload}, buffer, _use_new_zipfile_serialization=False)
    return buffer.getvalue()


def array(payload):
    buffer = io.BytesIO()
    np.save(buffer, np.array([payload] * 4, dtype=object), allow_pickle=True)
    return buffer.getvalue()


def archive(payload):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as packed:
        packed.writestr("x.npy", array(payload))
        packed.writestr("y.npy", array(payload))
    return buffer.getvalue()


MAKERS = (plain, state, old_state, array, archive)


@pytest.mark.filterwarnings("ignore:unclosed file")
@pytest.mark.parametrize("make", MAKERS)
def test_the_payload_is_a_real_one(make, tmp_path):
    content = make(Payload(tmp_path / "real"))
    if make is plain:
        pickle.loads(content)  # noqa: S301
    elif make in (state, old_state):
        torch.load(io.BytesIO(content), weights_only=False)
    else:
        loaded = np.load(io.BytesIO(content), allow_pickle=True)
        assert loaded["x"] is not None if make is archive else loaded is not None
    assert (tmp_path / "real").exists()


def pairs(*names):
    """Return every kind of pickle under the first name, and the plain kind under the others."""
    return [(make, names[0]) for make in MAKERS] + [(plain, name) for name in names[1:]]


@pytest.mark.parametrize(
    ("make", "name"), pairs("w.pt", "w.pth", "w.safetensors", "w.joblib", "w.pkl", "w.npz")
)
def test_weights_are_tensors(make, name, rows, mark, score):
    file = mark.with_name(name)
    file.write_bytes(make(Payload(mark)))
    score(rows, "--weights", file)


@pytest.mark.parametrize(
    ("make", "name"),
    pairs("d.npz", "d.npy", "d.pt", "d.joblib", "d.pkl", "d.parquet", "d.csv", "a/1.png", "a/1.wav"),
)
def test_data_are_numbers(make, name, mark, score):
    file = mark.parent / "data" / name
    file.parent.mkdir(parents=True)
    file.write_bytes(make(Payload(mark)))
    score(mark.parent / "data" if "/" in name else file)


@pytest.mark.parametrize(("make", "noise"), pairs("transition:{}/t.npy", "human:{}/t.npy:label"))
def test_noise_is_read_from_numbers(make, noise, rows, mark, score):
    mark.with_name("t.npy").write_bytes(make(Payload(mark)))
    score(rows, "--noise", noise.format(mark.parent))


def read_all(folder):
    unchaff.load(folder)
    return read(folder).quality


@pytest.mark.parametrize(
    ("make", "name"), pairs("model.safetensors", "quality.parquet", "manifest.json", "model.json")
)
def test_a_run_folder_holds_no_code(make, name, run, tmp_path, mark):
    shutil.copytree(run, tmp_path / "run")
    (tmp_path / "run" / name).write_bytes(make(Payload(mark)))
    with pytest.raises(UnchaffError):
        read_all(tmp_path / "run")


@pytest.fixture
def evil(tmp_path, monkeypatch, mark):
    """Return the name of a function that would make a file, in the folder one works in."""
    (tmp_path / "evil_module.py").write_text(f"open({str(mark)!r}, 'w').close()\ndef make(): pass\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    yield "evil_module:make"
    sys.modules.pop("evil_module", None)


def changed(run, file, place, value):
    content = json.loads((run / file).read_text())
    inner = content
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    (run / file).write_text(json.dumps(content))


def test_a_run_folder_cannot_name_code_that_gives_data(run, tmp_path, evil, refused):
    shutil.copytree(run, tmp_path / "run")
    changed(tmp_path / "run", "manifest.json", ["config", "data"], evil)
    changed(tmp_path / "run", "manifest.json", ["data_path"], evil)
    for made in ("dataset", "label-studio"):
        said = refused("export", tmp_path / "run", "--format", made, "--out", tmp_path / "out")
        assert f"no code is run because a file names it. Say --data {evil}" in said
    assert not (tmp_path / "out").exists()


def test_a_run_folder_cannot_name_code_that_gives_the_network(run, tmp_path, evil):
    shutil.copytree(run, tmp_path / "run")
    changed(tmp_path / "run", "model.json", ["model"], evil)
    with pytest.raises(RunFolderError, match="Pass the plain network"):
        unchaff.load(tmp_path / "run")


def test_code_that_the_command_line_names_is_run(run, rows, tmp_path, monkeypatch):
    shutil.copytree(run, tmp_path / "run")
    changed(tmp_path / "run", "manifest.json", ["config", "data"], "own_module:make")
    (tmp_path / "own_module.py").write_text(
        f"from unchaff.data import load\ndef make():\n    return load({str(rows)!r}).train\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    words = ["export", str(tmp_path / "run"), "--format", "dataset", "--out", str(tmp_path / "out.parquet")]
    assert app.main([*words, "--data", "own_module:make"]) == 0
    assert (tmp_path / "out.parquet").exists()
    sys.modules.pop("own_module", None)


def test_a_network_far_larger_than_its_weights_is_not_built(run, tmp_path):
    shutil.copytree(run, tmp_path / "run")
    changed(tmp_path / "run", "model.json", ["input", "shape"], [10**9])
    with pytest.raises(UnchaffError, match="shapes differ"):
        unchaff.load(tmp_path / "run")
