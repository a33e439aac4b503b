"""What is refused of a model folder, each with one sentence that says what to do."""

import json
import pickle

import pytest
import torch
from safetensors.torch import load_file, save_file

from unchaff.errors import ModelError, UnchaffError
from unchaff.hub import opened
from unchaff.nets.hub import from_folder

transformers = pytest.importorskip("transformers", reason="needs pip install 'unchaff[hub]'")


def changed(folder, **settings):
    file = folder / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **settings}))


class Code:
    """Stands for what a pickle could run."""

    def __reduce__(self):
        return (pytest.fail, ("a pickle was run",))


def test_a_folder_gives_its_network_with_its_weights(made):
    folder = made("bert")
    model = from_folder(folder)
    weights = load_file(folder / "model.safetensors")
    assert type(model) is transformers.BertForSequenceClassification
    assert all(torch.equal(weights[name], each) for name, each in model.state_dict().items())
    assert not model.training


def test_half_precision_is_made_single(made):
    folder = made("bert")
    save_file(
        {name: each.half() for name, each in load_file(folder / "model.safetensors").items()},
        folder / "model.safetensors",
        {"format": "pt"},
    )
    changed(folder, dtype="float16")
    assert {each.dtype for each in from_folder(folder).parameters()} == {torch.float32}


def test_the_global_generator_is_left_alone(made):
    folder = made("vit")
    before = torch.get_rng_state()
    from_folder(folder)
    assert torch.equal(torch.get_rng_state(), before)


def test_no_folder_of_a_model(tmp_path):
    with pytest.raises(ModelError, match=r"holds no config.json.*save_pretrained"):
        opened(tmp_path)


@pytest.mark.parametrize("content", ["{", "[]"])
def test_a_broken_config(tmp_path, content):
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(ModelError, match=r"config.json"):
        opened(tmp_path)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt"])
def test_a_pickle_is_refused_by_name_and_not_run(made, name):
    folder = made("bert")
    (folder / "model.safetensors").unlink()
    (folder / name).write_bytes(pickle.dumps(Code()))
    with pytest.raises(ModelError, match=f"as {name}, which may run code and is not read.*save_pretrained"):
        from_folder(folder)


def test_no_weights(made):
    folder = made("bert")
    (folder / "model.safetensors").unlink()
    with pytest.raises(ModelError, match=r"holds no model.safetensors"):
        from_folder(folder)


def test_weights_cut_short(made):
    folder = made("bert")
    content = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(content[: len(content) // 2])
    with pytest.raises(ModelError, match=r"model.safetensors cannot be used"):
        from_folder(folder)


def test_a_network_that_never_learned_to_classify(made):
    folder = made("bert")
    weights = load_file(folder / "model.safetensors")
    save_file(
        {name: each for name, each in weights.items() if not name.startswith("classifier")},
        folder / "model.safetensors",
        {"format": "pt"},
    )
    with pytest.raises(ModelError, match=r"lack classifier.bias, classifier.weight: .* Fine-tune it first"):
        from_folder(folder)


def test_weights_in_several_files(made):
    folder = made("bert")
    whole = from_folder(folder).state_dict()
    transformers.BertForSequenceClassification.from_pretrained(folder).save_pretrained(
        folder, max_shard_size="20KB"
    )
    (folder / "model.safetensors").unlink(missing_ok=True)
    assert len(opened(folder).weights) > 1
    assert all(torch.equal(whole[name], each) for name, each in from_folder(folder).state_dict().items())
    opened(folder).weights[0].unlink()
    with pytest.raises(ModelError, match="lacks model-00001-of"):
        from_folder(folder)


@pytest.mark.parametrize("name", ["../other.safetensors", "pytorch_model.bin"])
def test_an_index_that_names_other_files(made, name):
    folder = made("bert")
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": name}}))
    with pytest.raises(ModelError, match="Weights lie beside it, as safetensors"):
        from_folder(folder)


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"architectures": ["BertForMaskedLM"]}, "BertForMaskedLM of type bert, which is no network"),
        ({"architectures": ["Mine"], "model_type": "mine"}, "architecture Mine of type mine"),
        ({"architectures": None}, "architecture none"),
        ({"problem_type": "regression"}, "is for regression"),
        ({"problem_type": "multi_label_classification"}, "One class per sample"),
        ({"quantization_config": {"load_in_4bit": True}}, "quantised network"),
        ({"id2label": {"0": "one"}, "label2id": {"one": 0}}, "has 1 output"),
        ({"hidden_size": "wide"}, "cannot be used"),
    ],
)
def test_what_is_not_supported_is_named(made, settings, match):
    folder = made("bert")
    changed(folder, **settings)
    with pytest.raises(ModelError, match=match):
        opened(folder)


def test_an_adapter_is_refused(made):
    folder = made("bert")
    (folder / "adapter_config.json").write_text("{}")
    with pytest.raises(ModelError, match="Merge it into the network"):
        opened(folder)


def test_code_in_a_folder_is_never_run(made):
    folder = made("bert")
    (folder / "evil.py").write_text("raise AssertionError('code was run')")
    code = {"AutoConfig": "evil.C", "AutoModelForSequenceClassification": "evil.M", "AutoTokenizer": "evil.T"}
    changed(folder, auto_map=code, attn_implementation="someone/kernel")
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "BertTokenizer", "auto_map": {"AutoTokenizer": ["evil.T", None]}})
    )
    assert type(from_folder(folder)) is transformers.BertForSequenceClassification
    assert opened(folder).config._attn_implementation != "someone/kernel"
    assert opened(folder).tokenizer("good")["input_ids"]
    changed(folder, architectures=["Evil"], model_type="evil")
    with pytest.raises(ModelError, match="Code in a folder is never run"):
        opened(folder)


def test_the_processor_has_to_be_there(made):
    for kind, name, what in (
        ("bert", "tokenizer", "how texts become numbers"),
        ("vit", "image_processor", "how images are prepared"),
        ("ast", "extractor", "how sound is prepared"),
    ):
        folder = made(kind)
        for file in folder.iterdir():
            if file.name not in ("config.json", "model.safetensors"):
                file.unlink()
        with pytest.raises(ModelError, match=f"does not say {what}: it lacks .*save_pretrained"):
            getattr(opened(folder), name)


def test_a_tokenizer_without_padding(made):
    folder = made("bert")
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    tokenizer.pad_token = None
    tokenizer.save_pretrained(folder)
    file = folder / "tokenizer_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "pad_token": None}))
    with pytest.raises(ModelError, match="has no padding token"):
        _ = opened(folder).tokenizer


def test_all_errors_are_of_one_kind(tmp_path):
    with pytest.raises(UnchaffError):
        opened(tmp_path / "nothing")
