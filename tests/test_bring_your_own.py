"""The examples of docs/bring-your-own.md are run as they stand there."""

import json
import re
import shlex
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from torch import nn

import unchaff
from unchaff.cli import app
from unchaff.methods.nothing import Nothing

PAGE = Path(__file__).parents[1] / "docs" / "bring-your-own.md"
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WORDS = ("fine", "warm", "clever", "moving"), ("dull", "slow", "empty", "loud")


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    """Work in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def blocks(marker):
    """Return the (language, lines) of the fenced blocks between a marker and the next heading."""
    _, _, after = PAGE.read_text(encoding="utf-8").partition(f"<!-- {marker} -->")
    section = after.partition("\n## ")[0]
    found = re.findall(r"```(python|console)\n(.*?)```", section, re.DOTALL)
    assert found, marker
    return found


def run(marker, **known):
    """Run the blocks of a section, and return what its Python knows in the end."""
    known = dict(known)
    for language, text in blocks(marker):
        if language == "python":
            exec(compile(text, str(PAGE), "exec"), known)  # noqa: S102  our own page
            continue
        for line in text.splitlines():
            program, *words = shlex.split(line.removeprefix("$ "), comments=True)
            assert program == "unchaff"
            assert app.main(words) == 0, line
    return known


def flip(labels, share):
    """Return binary labels of which a share is the other one."""
    labels = np.asarray(labels).copy()
    chosen = np.random.default_rng(0).choice(len(labels), int(share * len(labels)), replace=False)
    labels[chosen] = 1 - labels[chosen]
    return labels


def reviews(count):
    """Write reviews of which two words tell the class, a fifth of the labels wrong."""
    draw = np.random.default_rng(0)
    right = np.arange(count) % 2
    lines = ["text,label"]
    for label, given in zip(right, flip(right, 0.2), strict=True):
        others = [f"w{number}" for number in draw.integers(0, 60, 6)]
        lines.append(f"{' '.join([*draw.choice(WORDS[label], 2), *others])},{('good', 'bad')[given]}")
    Path("reviews.csv").write_text("\n".join(lines))


def test_a_loop():
    draw = torch.Generator().manual_seed(0)
    inputs = torch.randn(1500, 10, generator=draw)
    right = (inputs[:, 0] + inputs[:, 1] > 0).long()
    labels = torch.from_numpy(flip(right.numpy(), 0.3))
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(10, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 2))
    known = run("loop", model=model, inputs=inputs, labels=labels)

    def accuracy(network):
        with torch.no_grad():
            return float((network(inputs).argmax(1) == right).float().mean())

    assert accuracy(known["repaired"]) > accuracy(model) + 0.05
    suspects = torch.tensor(known["suspects"])
    assert float((labels != right)[suspects].float().mean()) > 0.6
    assert len(list(Path("record").iterdir())) == 30


def test_a_model_folder():
    transformers = pytest.importorskip("transformers", reason="needs the extra hub")
    reviews(60)
    vocabulary = [*SPECIAL, *WORDS[0], *WORDS[1], *(f"w{number}" for number in range(60))]
    Path("my-bert").mkdir()
    Path("my-bert/vocab.txt").write_text("\n".join(vocabulary))
    transformers.BertTokenizerFast("my-bert/vocab.txt").save_pretrained("my-bert")
    names = {0: "bad", 1: "good"}
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=len(vocabulary), hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=32, max_position_embeddings=32, id2label=names,
        label2id={name: number for number, name in names.items()},
    )  # fmt: skip
    transformers.BertForSequenceClassification(config).save_pretrained("my-bert")
    run("folder")
    again = transformers.AutoModelForSequenceClassification.from_pretrained("my-bert-repaired")
    assert again.config.id2label == names
    assert "keep" in pq.read_table("reviews-kept.parquet").column_names


def test_a_folder_of_images():
    draw = np.random.default_rng(0)
    for row in range(120):
        folder = Path("photos") / ("cat", "dog")[row % 2]
        folder.mkdir(parents=True, exist_ok=True)
        pixels = draw.integers(0, 100, (16, 16, 3)) + 100 * (row % 2)
        Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{row}.png")
    run("images")
    kept = Path("kept.txt").read_text().split()
    assert kept
    assert all(Path("photos", one).is_file() for one in kept)


def test_texts():
    reviews(300)
    run("texts")
    assert json.loads(Path("tasks.json").read_text())


def test_rows():
    """The repaired classifier is ahead of one that was only trained: what the example is for."""
    draw = np.random.default_rng(0)
    x = draw.normal(size=(300, 4))
    y = flip((x[:, 0] > 0).astype(int), 0.2)
    rows = [",".join(map(str, [*values, label])) for values, label in zip(x, y, strict=True)]
    Path("rows.csv").write_text("\n".join(["a,b,c,d,label", *rows]))
    known = run("rows", flip=flip)
    plain = unchaff.RepairedClassifier(epochs=60, method=Nothing()).fit(known["x_train"], known["y_noisy"])
    assert known["accuracy"] > plain.score(known["x_test"], known["y_test"]) + 0.1
    assert known["accuracy"] > 0.88
