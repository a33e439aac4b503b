"""Clips, texts and classes that are unlike the others: none of it is taken for spoiled inputs."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

import unchaff
from unchaff.attribute.groups import by_class, by_length
from unchaff.attribute.observe import Walk, filled
from unchaff.attribute.readout import Readout
from unchaff.attribute.typicality import Typicality
from unchaff.bench.start import fitting
from unchaff.data import Options, from_arrays, from_dataset, load
from unchaff.nets.build import build
from unchaff.samples import Kind
from unchaff.streams import Streams

NONE = np.zeros(400, dtype=bool)


def acts(samples, net):
    walk = Walk(build(net, samples, streams=Streams(0)).eval(), samples, 0.5)
    return Typicality().judge(walk, Readout().of(walk)).acts


@pytest.mark.parametrize("short", [(3, 7), (10, 15)])
def test_short_texts_are_not_set_aside(tmp_path, short):
    draw = np.random.default_rng(0)
    texts, labels = [], np.arange(600) % 3
    for label in labels:
        length = draw.integers(*short) if draw.random() < 0.3 else draw.integers(40, 60)
        own, common = draw.integers(12, size=length), draw.integers(30, size=length)
        told = draw.random(length) < 0.4
        words = [
            f"w{label}x{a}" if is_own else f"c{b}" for a, b, is_own in zip(own, common, told, strict=True)
        ]
        texts.append(" ".join(words))
    pq.write_table(pa.table({"text": texts, "label": labels}), tmp_path / "t.parquet")
    assert not acts(load(str(tmp_path / "t.parquet")).train, "text-cnn")


def test_texts_of_one_pattern_are_not_set_aside(tmp_path):
    draw = np.random.default_rng(0)
    labels = np.arange(600) % 2
    words = zip(draw.integers(2, size=600), labels * 2 + draw.integers(2, size=600), strict=True)
    texts = [f"{f'so{pattern} ' * 4}z{what} y{what}" for pattern, what in words]
    pq.write_table(pa.table({"text": texts, "label": labels}), tmp_path / "t.parquet")
    samples = load(str(tmp_path / "t.parquet")).train
    assert not acts(samples, "text-cnn")


@pytest.mark.parametrize("dtype", [torch.long, torch.float32])
def test_sequences_by_name_are_texts_where_they_are_whole_numbers(dtype):
    draw = torch.Generator().manual_seed(0)
    values = torch.randint(1, 9, (400, 40), generator=draw).to(dtype)
    values[:120] = 60 if dtype == torch.long else 60 * torch.randn(120, 40, generator=draw)
    items = [
        {"input_values": each, "attention_mask": torch.ones(40).long(), "labels": row % 2}
        for row, each in enumerate(values)
    ]

    class Reads(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.last = torch.nn.Conv1d(1, 16, 5), torch.nn.Linear(16, 2)

        def forward(self, input_values, attention_mask):
            return self.last(self.first(input_values[:, None].float()).relu().mean(2))

    samples = from_dataset(items)
    walk = Walk(fitting(Reads(), samples), samples, 0.5)
    assert Typicality().judge(walk, Readout().of(walk)).acts == (dtype != torch.long)


def tones(short=NONE, noisy=NONE):
    draw, count, time = np.random.default_rng(0), 400, np.arange(6000) / 8000
    labels = np.arange(count) % 3
    pitch = np.array([300.0, 700.0, 1500.0])[labels][:, None] * (1 + 0.05 * draw.normal(size=(count, 1)))
    waves = np.sin(2 * np.pi * pitch * time) + 0.1 * draw.normal(size=(count, 6000))
    waves[short, 2000:] = 0
    waves[noisy] += 2.0 * draw.normal(size=waves[noisy].shape)
    return from_arrays(waves.astype(np.float32), labels, options=Options(rate=8000))


def test_clips_with_silence_behind_them_are_not_set_aside_and_noisy_ones_are():
    some = np.random.default_rng(1).random(400) < 0.3
    assert not acts(tones(short=some), "audio-cnn")
    assert acts(tones(short=~some, noisy=some), "audio-cnn"), "noise fills the silence too"


def test_places_that_hold_something_are_counted():
    words = torch.tensor([[5, 6, 0, 0], [5, 6, 7, 8]])
    assert filled(Kind("text", (4,), pad=0), words).tolist() == [0.5, 1.0]
    bands = torch.rand(2, 1, 8, 10)
    bands[0, :, :, 4:] = -3.0
    assert filled(Kind("audio", (1, 8, 10), rate=8000), bands).tolist() == pytest.approx([0.4, 1.0])
    assert filled(Kind("image", (1, 8, 10)), bands) is None


def test_length_explains_groups_only_where_it_tells_them_apart():
    length = torch.linspace(0, 1, 100)
    worse = (length < 0.3).float()
    assert by_length(length, worse)
    assert not by_length(length, 1 - worse)
    assert not by_length(length[torch.randperm(100, generator=Streams(0)("mix"))], worse)
    assert not by_length(length, torch.zeros(100))


def noisy_classes(rate, classes):
    """Return the classes of 600 samples, and labels of which so many are wrong."""
    draw = np.random.default_rng(0)
    right = np.arange(600) % classes
    given = np.where(draw.random(600) < rate, (right + draw.integers(1, classes, 600)) % classes, right)
    return torch.from_numpy(right), torch.from_numpy(given)


@pytest.mark.parametrize("rate", [0.0, 0.05, 0.15, 0.4])
@pytest.mark.parametrize(("unlike", "classes"), [((0,), 3), ((0, 1), 3), ((3,), 10)])
def test_a_group_that_is_some_classes_is_told_from_one_that_is_spoiled(rate, unlike, classes):
    right, given = noisy_classes(rate, classes)
    confirmed = (right == given).float()
    worse = torch.isin(right, torch.tensor(unlike)).float()
    assert by_class(confirmed, given, worse)
    spoiled = (torch.rand(600, generator=Streams(0)("spoiled")) < 0.5).float()
    assert not by_class(confirmed * (1 - 0.5 * spoiled), given, spoiled)
    if rate <= 0.15:  # above, nothing tells half of a class from a class half of whose labels are wrong
        of_one = spoiled * (right == 0)
        assert not by_class(confirmed * (1 - 0.5 * of_one), given, of_one)


def test_nothing_is_a_group_of_classes_where_there_are_no_two():
    right, given = noisy_classes(0.2, 3)
    for same in (torch.zeros(600), torch.full((600,), 0.5)):
        assert not by_class((right == given).float(), given, same)


@pytest.mark.parametrize("rate", [0.0, 0.3])
def test_pictures_of_a_class_with_nothing_on_them_are_not_spoiled(rate):
    right, given = noisy_classes(rate, 3)
    pictures = 0.3 * torch.randn(600, 1, 12, 12, generator=Streams(0)("pictures"))
    pictures[:, :, :6] += (right == 1)[:, None, None, None]
    pictures[:, :, 6:] += (right == 2)[:, None, None, None]
    net = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.GroupNorm(4, 16), nn.ReLU(),
        nn.Conv2d(16, 16, 3, padding=1, stride=2), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 3),
    )  # fmt: skip
    learner = torch.optim.Adam(net.parameters(), 3e-3)
    for _ in range(200):
        rows = torch.randint(0, 600, (64,))
        learner.zero_grad()
        cross_entropy(net(pictures[rows]), given[rows]).backward()
        learner.step()
    split = unchaff.score(net, from_arrays(pictures.numpy(), given.numpy()))
    assert "unlike" not in split.reason
    assert split.quality[(right == 0) & (given == 0)].mean() > 0.9


def test_a_score_looks_at_the_inputs_too():
    some = np.random.default_rng(1).random(400) < 0.3
    samples = tones(noisy=some)
    net = build("audio-cnn", samples, streams=Streams(0))
    split = unchaff.score(net, samples)
    assert "of the inputs are unlike the others" in split.reason
    assert split.quality[some].mean() < 0.2 < 0.8 < split.quality[~some].mean()
