"""From a model folder to a run folder and back, by the command line and from Python."""

import json
import shutil

import numpy as np
import pyarrow.parquet as pq
import pytest
import soundfile
import torch
from PIL import Image

import unchaff
from unchaff.cli import app
from unchaff.data import Options, load
from unchaff.methods import METHODS
from unchaff.nets.hub import from_folder
from unchaff.records import Trained
from unchaff.runs.read import read

transformers = pytest.importorskip("transformers", reason="needs pip install 'unchaff[hub]'")

QUICK = ["--device", "cpu", "--controls", "none", "--method", "finetune-all"]
CASES = [("bert", "text"), ("vit", "image"), ("resnet", "image"), ("wav2vec2", "audio")]


def by_the_library(model, folder, place, samples):
    """Return logits of the samples without any code of ours: files, the folder's processor, the network."""
    if samples.kind.name == "text":
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
        length = samples.kind.layout.parts[0].shape[0]
        texts = list(samples.texts)
        given = tokenizer(texts, padding=True, truncation=True, max_length=length, return_tensors="pt")
    elif samples.kind.name == "image":
        processor = transformers.AutoImageProcessor.from_pretrained(folder, use_fast=False)
        given = processor([Image.open(f"{place}/{one}") for one in samples.ids], return_tensors="pt")
    else:
        given = {"input_values": next(samples.batches(len(samples))).inputs}
    with torch.no_grad():
        return model(**given).logits


@pytest.mark.parametrize(("kind", "medium"), CASES)
def test_a_folder_is_repaired_and_the_run_stands_alone(made, data, tmp_path, kind, medium, capsys):
    folder, place, run = made(kind), getattr(data, medium)(), tmp_path / "run"
    source, weights = json.loads((folder / "config.json").read_text()), from_folder(folder).state_dict()
    assert app.main(["repair", place, "--model", str(folder), *QUICK, "--out", str(run)]) == 0
    assert "flattered" in capsys.readouterr().out, "it was trained, maybe on what is held out here"
    assert json.loads((run / "model.json").read_text())["hub"] == source["architectures"][0]
    assert json.loads((run / "hub" / "config.json").read_text()) == source
    shutil.rmtree(folder)
    model = unchaff.load(run)
    assert type(model).__name__ == source["architectures"][0]
    assert any(not torch.equal(weights[name], each) for name, each in model.state_dict().items()), (
        "it learned"
    )
    samples = load(place, Options(hub=run / "hub")).train
    predicted = by_the_library(model, run / "hub", place, samples).argmax(1)
    table = pq.read_table(run / "quality.parquet").to_pydict()
    assert table["id"] == samples.ids.tolist()
    assert predicted.tolist() == table["predicted"]
    assert read(run).kind == medium


def test_a_score_keeps_what_the_data_are_read_with(made, data, tmp_path):
    folder, run = made("bert"), tmp_path / "run"
    words = ["score", data.text(), "--model", str(folder), "--device", "cpu", "--out", str(run)]
    assert app.main(words) == 0
    shutil.rmtree(folder)
    assert not (run / "model.safetensors").exists()
    out = tmp_path / "kept.parquet"
    assert app.main(["export", str(run), "--format", "dataset", "--out", str(out)]) == 0
    found = pq.read_table(out)
    assert found.num_rows == 48
    assert found.column("text").to_pylist()[0].split()[0] == "good"


def test_the_same_command_writes_the_same_bytes(made, data, tmp_path):
    folder, place = made("wav2vec2"), data.audio()
    for name in ("first", "second"):
        words = ["repair", place, "--model", str(folder), *QUICK]
        assert app.main([*words, "--out", str(tmp_path / name)]) == 0
    for file in ("quality.parquet", "model.safetensors"):
        assert (tmp_path / "first" / file).read_bytes() == (tmp_path / "second" / file).read_bytes()


def test_a_folder_that_changed_is_noticed_on_resume(made, data, tmp_path, monkeypatch, capsys):
    folder, run = made("bert"), tmp_path / "run"
    words = ["repair", data.text(), "--model", str(folder), *QUICK, "--out", str(run)]
    monkeypatch.setattr("unchaff.cli.job.write", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
    assert app.main(words) == 130
    monkeypatch.undo()
    content = bytearray((folder / "model.safetensors").read_bytes())
    content[-1] ^= 1
    (folder / "model.safetensors").write_bytes(content)
    assert app.main([*words, "--resume"]) == 1
    assert "model.safetensors was" in (said := capsys.readouterr().err)
    assert "differs in its folder" in said


@pytest.mark.parametrize(
    ("model", "match"),
    [("nowhere/model", "There is no network 'nowhere/model'"), ("empty", "holds no config.json")],
)
def test_a_wrong_folder_is_one_sentence(data, tmp_path, monkeypatch, model, match, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    assert app.main(["repair", data.text(), "--model", model, *QUICK, "--out", "run"]) == 1
    said = capsys.readouterr().err
    assert match in said.splitlines()[-1]
    assert not (tmp_path / "run").exists()


def test_doctor_looks_at_a_folder(made, data, capsys):
    assert app.main(["doctor", data.image(), "--model", str(made("vit")), "--device", "cpu"]) == 0
    said = capsys.readouterr().out
    assert "reads what these layers read: vit" in said
    assert "training first" not in said


def test_a_run_is_exported_as_a_model_folder(made, data, tmp_path, capsys):
    run, out = tmp_path / "run", tmp_path / "new" / "model"
    folder = made("bert", names=("LABEL_0", "LABEL_1"))
    assert app.main(["repair", data.text(), "--model", str(folder), *QUICK, "--out", str(run)]) == 0
    words = ["export", str(run), "--format", "hub", "--out", str(out)]
    assert app.main(words) == 0
    again = transformers.AutoModelForSequenceClassification.from_pretrained(out)
    assert again.config.id2label == {0: "Negative", 1: "Positive"}
    assert all(
        torch.equal(again.state_dict()[name], each) for name, each in unchaff.load(run).state_dict().items()
    )
    tokenizer = transformers.AutoTokenizer.from_pretrained(out)
    assert tokenizer("good w1")["input_ids"] == [2, 45, 6, 3]
    assert [place.name for place in out.parent.iterdir()] == ["model"]
    assert app.main(words) == 1
    assert app.main([*words, "--overwrite"]) == 0
    (tmp_path / "mine").mkdir()
    assert app.main([*words[:-1], str(tmp_path / "mine"), "--overwrite"]) == 1
    assert "is not deleted" in capsys.readouterr().err
    assert app.main(["export", str(run), "--format", "torch", "--out", str(tmp_path / "p")]) == 1
    assert "Use --format hub" in capsys.readouterr().err


def test_from_python_a_folder_is_a_network(made, data, tmp_path):
    folder, place = made("ast"), data.audio()
    train = load(place, Options(hub=folder)).train
    outcome = unchaff.repair(folder, train, method=METHODS["finetune-all"])
    assert len(unchaff.score(str(folder), train).quality) == len(train)
    outcome.save(tmp_path / "run")
    shutil.rmtree(folder)
    loaded = unchaff.load(tmp_path / "run").state_dict()
    assert all(torch.equal(loaded[name], each) for name, each in outcome.model.state_dict().items())
    assert load(place, Options(hub=tmp_path / "run" / "hub")).train.kind == train.kind


def test_a_network_of_transformers_without_a_folder_comes_back_by_itself(tmp_path):
    config = transformers.ViTConfig(
        image_size=16, patch_size=8, hidden_size=32, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=32, num_labels=2,
    )  # fmt: skip
    draw = torch.Generator().manual_seed(0)
    pixels = torch.randn(40, 3, 16, 16, generator=draw)
    data = torch.utils.data.TensorDataset(pixels, torch.arange(40) % 2)
    trained = Trained(model=transformers.ViTForImageClassification(config), pretrained=True)
    outcome = unchaff.repair(trained, data, method=METHODS["finetune-all"])
    outcome.save(tmp_path / "run")
    loaded = unchaff.load(tmp_path / "run")
    assert type(loaded) is transformers.ViTForImageClassification
    with torch.no_grad():
        torch.testing.assert_close(loaded(pixels).logits, outcome.model.eval()(pixels).logits)


def test_sound_of_another_rate_is_resampled(made, data):
    place = data.audio()
    samples = load(place, Options(hub=made("wav2vec2"))).train
    assert soundfile.info(f"{place}/{samples.ids[0]}").samplerate == 8000
    assert samples.source.raw(np.arange(1)).shape[1] > 4000
