from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.linear_model import RidgeCV
from sklearn.metrics import roc_auc_score
from torch import nn

from unchaff.attribute.inputs import Columns, Frequent, readable
from unchaff.attribute.observe import Walk
from unchaff.attribute.readout import Readout
from unchaff.attribute.ridge import PENALTIES, Sums
from unchaff.attribute.typicality import Typicality
from unchaff.bench.start import fitting
from unchaff.data.dataset import from_arrays, from_dataset
from unchaff.data.load import load
from unchaff.methods.unlearn import Unlearn
from unchaff.nets.text import TextCnn
from unchaff.noise import parse
from unchaff.records import Observed, Recipe, Trained
from unchaff.streams import Streams
from unchaff.train.initial import train_initial

GOOD, BAD = ("fine", "warm", "clever", "moving"), ("dull", "slow", "empty", "loud")


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    """Return 800 short texts: a word or two that tell the class, among words that do not."""
    draw = np.random.default_rng(0)
    lines = ["text,label"]
    for row in range(800):
        telling = draw.choice(GOOD if row % 2 else BAD, 2)
        others = [f"w{number}" for number in draw.integers(0, 100, 8)]
        words = draw.permutation([*telling, *others])
        lines.append(f"{' '.join(words)},{'good' if row % 2 else 'bad'}")
    file = tmp_path_factory.mktemp("texts") / "texts.csv"
    file.write_text("\n".join(lines))
    return load(str(file)).train


@pytest.fixture(scope="module")
def memorised(texts):
    """Return a network that has learned 30 % wrong labels by heart, the samples and the truth."""
    noisy, truth = parse("symmetric:0.3")(texts, streams=Streams(0))
    with Streams(0).forked_global("texts"):
        model = TextCnn(2, vocabulary=200, width=32, filters=32)
    recipe = replace(Recipe.usual(model, len(noisy)), epochs=20, lr=3e-3)
    return train_initial(model, noisy, recipe, streams=Streams(0)), noisy, truth


def test_words_are_found_by_the_number_of_texts_they_occur_in(texts):
    frequent = Frequent.of(texts)
    words = texts.source.raw(np.arange(len(texts)))
    words = words if words.dtype == torch.long else words.long()
    counts = torch.stack([(words == number).any(1).sum() for number in range(len(frequent.places))])
    counts[0] = 0  # nothing stands for no word
    assert frequent.size == int((counts > 0).sum())
    order = sorted(range(len(counts)), key=lambda number: (-int(counts[number]), number))
    assert frequent.places[order[:100]].tolist() == list(range(100))


def test_presence_is_one_where_a_text_holds_a_word():
    frequent = Frequent(torch.tensor([3, 2, 0, 1, 3]), 3)
    held = frequent.read(torch.tensor([[2, 2, 3, 0], [4, 9, 0, 0]]))
    assert held.shape == (2, 3)
    assert held.nonzero().tolist() == [[0, 0], [0, 1]]


def test_the_penalty_with_the_least_error_on_left_out_samples_is_chosen():
    draw = torch.Generator().manual_seed(0)
    features = torch.randn(150, 60, generator=draw)
    labels = (features[:, 0] + 2 * torch.randn(150, generator=draw) > 0).long()
    sums = Sums(2)
    sums.add(features, labels)
    chosen = sums.solve(None)
    standard = ((features - features.mean(0)) / features.std(0, correction=0)).double().numpy()
    reference = RidgeCV(alphas=[150 * penalty for penalty in PENALTIES])  # leaves one out
    best = reference.fit(standard, labels.double().numpy()).alpha_ / 150
    torch.testing.assert_close(chosen.weights, sums.solve(best).weights)


def test_words_tell_wrong_labels_that_word_vectors_have_learned_by_heart(memorised):
    trained, samples, truth = memorised
    right = ~truth.select(samples.ids).is_noisy
    observed = Observed(train=samples)
    words = Readout()(trained, observed, streams=Streams(0)).total
    layers = Readout()(replace(trained, pretrained=True), observed, streams=Streams(0)).total
    assert roc_auc_score(right, words) > 0.9
    assert roc_auc_score(right, words) > roc_auc_score(right, layers) + 0.1


def test_layers_that_are_named_are_read(memorised):
    trained, samples, _ = memorised
    assert Walk(trained.model, samples, 0.5).reads_inputs
    assert not Walk(trained.model, samples, 0.5, taps=("hidden",)).reads_inputs
    assert not Walk(trained.model, samples, 0.5, pretrained=True).reads_inputs


def test_a_network_for_texts_gains(memorised, texts):
    trained, samples, _ = memorised
    outcome = Unlearn()(trained, Observed(train=samples), streams=Streams(0))

    def right(model):
        inputs = next(texts.batches(800)).inputs
        with torch.no_grad():
            return float((model.eval()(inputs).argmax(1) == texts.labels).float().mean())

    assert right(outcome.model) > right(trained.model) + 0.1
    assert outcome.cost.flops > 0


@pytest.fixture(scope="module")
def rows():
    """Return 600 rows whose class depends on the product of two of six columns, 30 % of the labels wrong."""
    draw = np.random.default_rng(0)
    x = draw.normal(5, 3, size=(600, 6)).astype(np.float32)
    clean = from_arrays(
        torch.from_numpy(x), torch.from_numpy(((x[:, 0] - 5) * (x[:, 1] - 5) > 0).astype(int))
    )
    noisy, truth = parse("symmetric:0.3")(clean, streams=Streams(0))
    return noisy, ~truth.select(noisy.ids).is_noisy


def test_columns_are_standardised_and_bent(rows):
    inputs = next(rows[0].batches(600)).inputs
    features = Columns.of(rows[0]).read(inputs)
    torch.testing.assert_close(features[:, :6].mean(0), torch.zeros(6), atol=1e-4, rtol=0)
    torch.testing.assert_close(features[:, :6].std(0, correction=0), torch.ones(6), atol=1e-4, rtol=0)
    assert features[:, 6:].abs().max() <= 1
    alone = Columns.of(rows[0]).read(inputs[:1])
    torch.testing.assert_close(features[:1], alone, msg="a sample's features do not depend on the batch")


def test_a_constant_column_is_nothing():
    samples = from_arrays(torch.tensor([[1.0, 2.0], [1.0, 4.0]]), torch.tensor([0, 1]))
    read = Columns.of(samples).read(next(samples.batches(2)).inputs)
    assert read[:, 0].tolist() == [0, 0]
    assert bool(read.isfinite().all())


def test_a_read_out_of_columns_bends(rows):
    """No line tells these classes apart; an untrained network is given, so its layers know nothing."""
    samples, right = rows
    with Streams(0).forked_global("rows"):
        model = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 2))
    said = Readout()(Trained(model=model), Observed(train=samples), streams=Streams(0)).total
    assert roc_auc_score(right, said) > 0.75


@pytest.mark.parametrize("parts", [("x",), ("x", "z"), tuple("abcdef")])
def test_a_few_numbers_by_name_are_columns(rows, parts):
    inputs, labels = next(rows[0].batches(600)).inputs, rows[0].labels
    columns = dict(zip(parts, inputs.split(6 // len(parts), dim=1), strict=True))
    items = [
        {**{name: each[row].squeeze() for name, each in columns.items()}, "labels": labels[row]}
        for row in range(600)
    ]
    samples = from_dataset(items)
    assert readable(samples.kind)
    read = Columns.of(samples).read(next(samples.batches(600)).inputs)
    torch.testing.assert_close(read, Columns.of(rows[0]).read(inputs))


def test_columns_by_name_are_judged_as_those_of_a_table():
    """Long tails fall into two groups without noise; they are no spoiled inputs."""
    draw = np.random.default_rng(1)
    inputs = np.exp(2 * draw.normal(size=(600, 6))).astype(np.float32)
    labels = (inputs[:, 0] > 1).astype(int)
    items = [{"input": torch.from_numpy(inputs[row]), "labels": int(labels[row])} for row in range(600)]
    net = nn.Sequential(nn.Linear(6, 32), nn.ReLU(), nn.Linear(32, 2))
    acts = [
        Typicality().judge(walk, Readout().of(walk)).acts
        for samples in (from_arrays(inputs, labels), from_dataset(items))
        for walk in [Walk(fitting(net, samples), samples, 0.5)]
    ]
    assert acts == [False, False]


def test_a_signal_by_name_is_not_read():
    items = [{"wave": torch.randn(2000), "labels": row % 2} for row in range(4)]
    assert not readable(from_dataset(items).kind)
    items = [{"input_ids": torch.arange(9), "labels": row % 2} for row in range(4)]
    assert not readable(from_dataset(items).kind)
