"""Each kind of bad input: exit code 1, one sentence that helps, and nothing written."""

import pickle
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile
import torch
from PIL import Image
from safetensors.torch import save_file

from unchaff.cli import app

MLP = ["--model", "mlp", "--epochs", "1", "--device", "cpu", "--controls", "none"]


@pytest.fixture
def refused(tmp_path, capsys):
    """Return a function that runs `repair` and checks how it is refused."""

    def check(words, *messages, command="repair"):
        out = tmp_path / "out" / "run"
        before = sorted(tmp_path.rglob("*"))
        assert app.main([command, *words, "--out", str(out)]) == 1
        said = capsys.readouterr().err
        last = said.splitlines()[-1]
        for message in messages:
            assert message in last, said
        assert "Traceback" not in said
        assert sorted(tmp_path.rglob("*")) == before

    return check


def test_a_missing_path(refused):
    refused(["nowhere/data", *MLP], "nowhere/data does not exist", "Give a folder")


def test_an_empty_folder(refused, tmp_path):
    (tmp_path / "empty").mkdir()
    refused([str(tmp_path / "empty"), *MLP], "empty")


def test_a_file_of_unknown_kind(refused, tmp_path):
    (tmp_path / "data.xyz").write_text("what is this")
    refused([str(tmp_path / "data.xyz"), *MLP], "no known kind", ".parquet")


def test_one_class_only(refused, table):
    refused([table(y=np.zeros(20, dtype=int)), *MLP], "class")


def test_labels_outside_the_networks_outputs(refused, table, tmp_path, monkeypatch):
    (tmp_path / "two_outputs.py").write_text(
        "from torch import nn\ndef build():\n    return nn.Linear(6, 2)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    refused([table(), *MLP[2:], "--model", "two_outputs:build"], "2 outputs", "3 classes")


def test_a_network_without_any_tapped_layer(refused, table, tmp_path, monkeypatch):
    (tmp_path / "no_layers.py").write_text(
        "from torch import nn\ndef build():\n    return nn.Softmax(dim=1)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    refused([table(), *MLP[2:], "--model", "no_layers:build"], "No layer ran in the network")


@pytest.mark.parametrize("name", ["nothing", "missing_module:build", "json:missing"])
def test_an_unknown_network(refused, table, name):
    refused([table(), *MLP[2:], "--model", name], name)


def parquet(path: Path, **columns) -> str:
    pq.write_table(pa.table(columns), path)
    return str(path)


def test_an_absent_label_column(refused, tmp_path):
    data = parquet(tmp_path / "d.parquet", a=[0.0, 1.0], b=[0, 1])
    refused([data, *MLP, "--label-column", "target"], "target", "a", "b")


def test_labels_that_are_not_integers(refused, tmp_path):
    data = parquet(tmp_path / "d.parquet", a=[0.0, 1.0, 2.0], label=[0.5, 1.25, 0.0])
    refused([data, *MLP, "--input-column", "a"], "label", "integer")


@pytest.mark.parametrize("value", [np.nan, np.inf], ids=["nan", "inf"])
def test_inputs_that_are_not_finite(refused, table, value):
    inputs = np.random.default_rng(0).normal(size=(90, 6))
    inputs[3, 2] = value
    refused([table(x=inputs), *MLP, "--strict"], "3", "finite")


def test_sound_of_no_length_and_silence(refused, tmp_path):
    noise = np.random.default_rng(0).normal(size=(6, 800)) * 0.1
    for index, wave in enumerate(noise):
        folder = tmp_path / "sounds" / "ab"[index % 2]
        folder.mkdir(parents=True, exist_ok=True)
        soundfile.write(folder / f"{index}.wav", wave, 8000)
    soundfile.write(tmp_path / "sounds" / "a" / "none.wav", noise[0, :0], 8000)
    soundfile.write(tmp_path / "sounds" / "b" / "silent.wav", noise[0] * 0, 8000)
    refused([str(tmp_path / "sounds"), *MLP, "--strict"], "none.wav")


def test_an_unreadable_image(refused, tmp_path):
    for index in range(8):
        folder = tmp_path / "images" / "ab"[index % 2]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((9, 9), index * 20, dtype=np.uint8)).save(folder / f"{index}.png")
    (tmp_path / "images" / "a" / "broken.png").write_bytes(b"not an image")
    refused([str(tmp_path / "images"), *MLP, "--strict"], "broken.png")


def saved(path: Path, content: object) -> str:
    torch.save(content, path)
    return str(path)


@dataclass
class Surprise:
    """What a pickle could carry."""

    command: str = "touch hacked"


def test_weights_that_are_not_there(refused, table):
    refused([table(), *MLP, "--weights", "nowhere.safetensors"], "nowhere.safetensors")


@pytest.mark.parametrize("name", ["w.safetensors", "w.pt"])
def test_weights_that_cannot_be_read(refused, table, tmp_path, name):
    (tmp_path / name).write_bytes(b"garbage" * 10)
    refused([table(), *MLP, "--weights", str(tmp_path / name)], name)


def test_weights_of_another_shape(refused, table, tmp_path):
    save_file({"weight": torch.zeros(2, 2)}, tmp_path / "w.safetensors")
    refused([table(), *MLP, "--weights", str(tmp_path / "w.safetensors")], "weight")


def test_a_pickle_that_is_no_state_dict(refused, table, tmp_path):
    refused([table(), *MLP, "--weights", saved(tmp_path / "w.pt", Surprise())], "w.pt")
    (tmp_path / "p.pt").write_bytes(pickle.dumps(Surprise()))
    refused([table(), *MLP, "--weights", str(tmp_path / "p.pt")], "p.pt")


@pytest.mark.parametrize("noise", ["symmetric:1.5", "symmetric:-0.1", "symmetric:40", "symmetric:nan"])
def test_a_rate_outside_0_to_1(refused, table, noise):
    refused([table(), *MLP, "--noise", noise], "[0, 1]", noise.split(":")[1])


@pytest.mark.parametrize("noise", ["symmetric", "symmetric:much", "magic:0.4"])
def test_noise_that_is_not_known(refused, table, noise):
    refused([table(), *MLP, "--noise", noise], noise.split(":")[0])


def test_a_method_that_is_not_known(refused, table):
    refused([table(), *MLP, "--method", "magic"], "magic", "unlearn")


def test_a_run_folder_that_holds_something(table, tmp_path, capsys):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "notes.txt").write_text("mine")
    for extra in ([], ["--overwrite"]):
        assert app.main(["repair", table(), *MLP, "--out", str(tmp_path / "run"), *extra]) == 1
        assert "Choose another --out" in capsys.readouterr().err
    assert [file.name for file in (tmp_path / "run").iterdir()] == ["notes.txt"]


def test_no_permission_to_write(refused, table, monkeypatch):
    monkeypatch.setattr("os.access", lambda *_: False)  # root, too, is then refused
    refused([table(), *MLP], "no permission to write", "Choose another --out")


def test_a_run_folder_below_a_file(table, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert app.main(["repair", table(), *MLP, "--out", str(tmp_path / "file" / "run")]) == 1
    assert "Choose another --out" in capsys.readouterr().err
