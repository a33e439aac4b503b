"""Model folders of the transformers library, small and with random weights, and data for them."""

import csv
import socket
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
import torch
from PIL import Image

SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *[f"w{place}" for place in range(40)], "good", "bad"]
RATE = 16_000


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    """Whoever tries to reach anything fails."""

    def refuse(*_):
        raise AssertionError("something was fetched")

    monkeypatch.setattr(socket.socket, "connect", refuse)


def named(*names):
    return {"id2label": dict(enumerate(names)), "label2id": {name: place for place, name in enumerate(names)}}


def bert(transformers, folder, names=("negative", "positive")):
    config = transformers.BertConfig(
        vocab_size=len(WORDS), max_position_embeddings=34, **named(*names), **SMALL
    )
    transformers.BertForSequenceClassification(config).save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(WORDS))
    transformers.BertTokenizerFast(str(folder / "vocab.txt")).save_pretrained(folder)


def vit(transformers, folder, names=("cat", "dog")):
    config = transformers.ViTConfig(image_size=16, patch_size=8, **named(*names), **SMALL)
    transformers.ViTForImageClassification(config).save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(
        '{"image_processor_type": "ViTImageProcessor", "do_resize": true, "do_rescale": true, "resample": 3,'
        '"do_normalize": true, "image_mean": [0.48, 0.45, 0.4], "image_std": [0.22, 0.23, 0.24],'
        '"rescale_factor": 0.00392156862745098, "size": {"height": 16, "width": 16}}'
    )


def resnet(transformers, folder, names=("cat", "dog")):
    config = transformers.ResNetConfig(
        embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic", **named(*names)
    )
    transformers.ResNetForImageClassification(config).save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(
        '{"image_processor_type": "ConvNextImageProcessor", "crop_pct": 0.875, "do_normalize": true,'
        '"do_rescale": true, "do_resize": true, "image_mean": [0.485, 0.456, 0.406], "resample": 3,'
        '"image_std": [0.229, 0.224, 0.225], "size": {"shortest_edge": 32}}'
    )


def wav2vec2(transformers, folder, names=("high", "low"), *, masks=False):
    config = transformers.Wav2Vec2Config(
        conv_dim=(16, 16), conv_stride=(10, 8), conv_kernel=(20, 16), num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=2, classifier_proj_size=16, **named(*names), **SMALL,
        feat_extract_norm="layer" if masks else "group", num_feat_extract_layers=2,
    )  # fmt: skip
    transformers.Wav2Vec2ForSequenceClassification(config).save_pretrained(folder)
    transformers.Wav2Vec2FeatureExtractor(return_attention_mask=masks).save_pretrained(folder)


def ast(transformers, folder, names=("high", "low")):
    shape = {"max_length": 32, "num_mel_bins": 16}
    strides = {"patch_size": 8, "frequency_stride": 8, "time_stride": 8}
    config = transformers.ASTConfig(**shape, **strides, **named(*names), **SMALL)
    transformers.ASTForAudioClassification(config).save_pretrained(folder)
    transformers.ASTFeatureExtractor(**shape).save_pretrained(folder)


@pytest.fixture(scope="session")
def makers():
    return {"bert": bert, "vit": vit, "resnet": resnet, "wav2vec2": wav2vec2, "ast": ast}


@pytest.fixture
def made(tmp_path, makers):
    """Return a function that makes a model folder."""
    transformers = pytest.importorskip("transformers")

    def make(kind, **settings):
        folder = tmp_path / kind
        folder.mkdir(exist_ok=True)
        with torch.random.fork_rng():
            torch.manual_seed(0)
            makers[kind](transformers, folder, **settings)
        return folder

    return make


def sentences(place, names=("Positive", "Negative")):
    """Write 48 sentences of which the first word says the class, and return the file."""
    draw = np.random.default_rng(0)
    with (place / "texts.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["text", "label"])
        for row in range(48):
            word = ("good", "bad")[row % 2]
            others = [f"w{one}" for one in draw.integers(0, 40, draw.integers(3, 9))]
            rows.writerow([" ".join([word, *others]), names[row % 2]])
    return str(place / "texts.csv")


def pictures(place, names=("dog", "cat")):
    """Write 40 pictures of several sizes, half of them bright, and return their folder."""
    draw = np.random.default_rng(0)
    for row in range(40):
        folder = place / "pictures" / names[row % 2]
        folder.mkdir(parents=True, exist_ok=True)
        shape = (int(draw.integers(20, 40)), int(draw.integers(20, 40)), 3)
        pixels = draw.integers(0, 128, shape) + 120 * (row % 2)
        Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{row}.png")
    return str(place / "pictures")


def sounds(place, names=("low", "high"), rate=8000):
    """Write 40 tones of about a quarter of a second, half of them high, and return their folder."""
    draw = np.random.default_rng(0)
    for row in range(40):
        folder = place / "sounds" / names[row % 2]
        folder.mkdir(parents=True, exist_ok=True)
        time = np.arange(int(draw.integers(1500, 2400))) / rate
        tone = np.sin(2 * np.pi * (300 + 900 * (row % 2)) * time) + 0.1 * draw.standard_normal(len(time))
        soundfile.write(folder / f"{row}.wav", 0.5 * tone, rate)
    return str(place / "sounds")


@pytest.fixture
def data(tmp_path):
    """Return functions that write data and return the path as typed."""
    makers = {"text": sentences, "image": pictures, "audio": sounds}
    return SimpleNamespace(
        **{kind: lambda make=make, **settings: make(tmp_path, **settings) for kind, make in makers.items()}
    )
