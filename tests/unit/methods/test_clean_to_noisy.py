"""Training on inputs and on worse copies of them."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional

from unchaff.data.dataset import from_arrays
from unchaff.data.load import load
from unchaff.data.sources import in_memory, prepare_of
from unchaff.data.words import Words
from unchaff.errors import ConfigError, NeedsError
from unchaff.evaluate.accuracy import score
from unchaff.evaluate.tagging import score_tags
from unchaff.methods.beginning import fresh_copy
from unchaff.methods.clean_to_noisy import Bridge, CleanToNoisy, Paired
from unchaff.methods.retrain import Retrain
from unchaff.nets.adapt import adapted
from unchaff.nets.build import build
from unchaff.nets.decoding import PictureDecoder, WordDecoder
from unchaff.nets.head import head_of
from unchaff.nets.hooks import read_inputs
from unchaff.nets.tagger import TextTagger
from unchaff.noise import parse
from unchaff.records import Observed, Recipe, Trained
from unchaff.samples import Batch, Kind, Tags, canonical
from unchaff.streams import Streams
from unchaff.tasks import CLASSIFICATION
from unchaff.train.domains import coral, mmd, paired

PLAIN = CleanToNoisy(noisy=0.0, align=0.0, restore=0.0)


def same_weights(left, right):
    pairs = zip(left.state_dict().values(), right.state_dict().values(), strict=True)
    return all(torch.equal(one, two) for one, two in pairs)


def test_with_all_weights_at_nothing_it_is_clean_training(toy):
    ours = PLAIN(toy.trained, toy.observed, streams=Streams(3))
    plain = Retrain(budget=PLAIN.budget)(toy.trained, toy.observed, streams=Streams(3))
    assert same_weights(ours.model, plain.model)
    assert ours.cost.flops == plain.cost.flops


def test_the_loss_is_the_weighed_sum_of_its_four_parts():
    logits = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
    extra = torch.tensor([[0.5, 2.0], [1.0, 3.0], [0.0, 1.0]]).repeat(2, 1)
    labels = torch.tensor([0, 1, 2])
    batch = Batch(labels.numpy(), labels.numpy(), torch.zeros(3, 1), labels)
    method = CleanToNoisy(noisy=0.7, align=2.0, restore=0.25)
    given = Bridge(method, CLASSIFICATION)(torch.cat([logits, extra], dim=1), batch)
    each = functional.cross_entropy(logits, labels.repeat(2), reduction="none")
    torch.testing.assert_close(given, each[:3] + 0.7 * each[3:] + 2.0 * extra[:3, 0] + 0.25 * extra[:3, 1])


@pytest.mark.parametrize("of", [paired, mmd, coral])
def test_the_distance_is_that_of_what_the_last_layer_reads(toy, of):
    model, inputs = (
        fresh_copy(toy.trained.model, streams=Streams(0)).eval(),
        next(toy.clean.batches(8)).inputs,
    )
    with read_inputs(model, ["5"]) as seen:
        logits = model(inputs)
    out = Paired(model, "5", None, of)(inputs)
    torch.testing.assert_close(out[:, :4], logits)
    torch.testing.assert_close(out[:4, 4], of(*seen["5"].chunk(2)).expand(4))
    assert (out[:, 5] == 0).all()


def test_a_picture_that_is_restored_costs_its_mean_absolute_difference():
    decoder = PictureDecoder(5, (2, 7, 9))
    inputs = torch.rand(3, 2, 7, 9)
    for parameter in decoder.parameters():
        torch.nn.init.zeros_(parameter)
    torch.testing.assert_close(decoder(torch.rand(3, 5), inputs), inputs.mean((1, 2, 3)))


def test_words_that_are_restored_are_known_ones_only():
    decoder = WordDecoder(5, 6)
    words = torch.tensor([[2, 3, 1, 0, 0, 0], [1, 1, 0, 0, 0, 0]])
    loss = decoder(torch.rand(2, 5), words)
    assert loss[0] > 0
    assert loss[1] == 0, "nothing known, nothing to restore"


@pytest.fixture(scope="module")
def digits():
    """Eleven hundred digits and a small network, trained for eight epochs."""
    loaded = load("digits")
    model = build("mlp", loaded.train, streams=Streams(0)).eval()
    recipe = replace(Recipe.usual(model, len(loaded.train)), epochs=8)
    return Trained(model=model, recipe=recipe), Observed(train=loaded.train), loaded.test


def directions(model, samples, name):
    with read_inputs(model, [name]) as seen, torch.no_grad():
        model(next(samples.batches(len(samples))).inputs)
    return seen[name]


def apart(model, samples):
    """Return how far spoiled inputs land from clean ones, squared, and classes from each other."""
    name = head_of(model, next(samples.batches(2)).inputs).name
    spoiled, _ = parse("gaussian:1:0.2")(samples, streams=Streams(9))
    clean, worse = directions(model, samples, name), directions(model, spoiled, name)
    pairs = paired(clean, worse).mean()
    rows = functional.normalize(clean - clean.mean(0), dim=1)
    means = torch.stack([rows[samples.labels == label].mean(0) for label in range(10)])
    return float(pairs), float(torch.cdist(means, means)[~torch.eye(10, dtype=torch.bool)].mean())


def test_worse_inputs_are_embedded_alike_and_classes_stay_apart(digits):
    """The distance falls to half with a weight of eight; the classes lose no fifth of theirs."""
    trained, observed, _ = digits
    aligned, free = (
        apart(CleanToNoisy(align=align)(trained, observed, streams=Streams(0)).model, observed.train)
        for align in (8.0, 0.0)
    )
    assert aligned[0] < 0.5 * free[0]
    assert aligned[1] > 0.8 * free[1]


def test_noisy_pictures_are_read_better_and_clean_ones_as_well(digits):
    trained, observed, test = digits
    noisy, _ = parse("gaussian:1:0.3")(test, streams=Streams(1))

    def accuracies(method):
        models = [method(trained, observed, streams=Streams(seed)).model for seed in (0, 1)]
        return np.mean([[score(model, some).accuracy for some in (noisy, test)] for model in models], axis=0)

    lead, change = accuracies(CleanToNoisy()) - accuracies(Retrain())
    assert lead > 0.03
    assert change > -0.01


def test_the_network_that_comes_back_has_no_decoder(toy):
    outcome = CleanToNoisy(budget=0.4)(toy.trained, toy.observed, streams=Streams(0))
    assert list(outcome.model.state_dict()) == list(toy.trained.model.state_dict())
    assert type(outcome.model) is type(toy.trained.model)


PLACES = ("rome", "paris", "berlin", "madrid", "london", "vienna")
SONGS = ("yesterday", "imagine", "thriller", "waterloo", "hello", "fame")


def requests(count, seed):
    """Return requests whose class the verb tells, and whose last word is tagged."""
    draw = np.random.default_rng(seed)
    labels = draw.integers(0, 2, count)
    texts, tags = np.empty(count, dtype=object), torch.full((count, 8), -1)
    for row, label in enumerate(labels):
        first = (("fly", "travel"), ("play", "start"))[label][draw.integers(2)]
        filler = " ".join(draw.choice(["me", "please", "now", "the", "then"], 4))
        texts[row] = f"{first} {filler} {(PLACES, SONGS)[label][draw.integers(6)]}"
        tags[row, :6] = torch.tensor([0, 0, 0, 0, 0, 1 + label])
    words = Words.of(texts, length=8)
    made = canonical(
        range(count), torch.from_numpy(labels), class_names=("fly", "play"),
        kind=Kind("text", (8,), pad=0), source=in_memory(torch.from_numpy(words.encode(list(texts))), words),
    )  # fmt: skip
    return replace(made, texts=texts, tags=Tags(("O", "B-place", "B-song"), tags))


def test_words_and_their_tags_are_learned_under_errors():
    train, test = requests(600, 0), requests(300, 1)
    words = prepare_of(train.source)
    test = replace(test, source=in_memory(torch.from_numpy(words.encode(list(test.texts))), words))
    with Streams(0).forked_global("net"):
        model = adapted(TextTagger(2, vocabulary=64, width=16, filters=16), train).eval()
    recipe = Recipe(epochs=12, batch_size=32, lr=5e-3, weight_decay=0.01, adam=True)
    trained = Trained(model=model, recipe=recipe)
    noisy, _ = parse("recogniser:0.4")(test, streams=Streams(2))
    # Without the decoder, which costs more than so small a network.
    ours, plain = (
        method(trained, Observed(train=train), streams=Streams(0)).model
        for method in (CleanToNoisy(restore=0.0), Retrain())
    )
    assert score(ours, noisy).accuracy > score(plain, noisy).accuracy
    assert score_tags(ours, noisy).f1 > 0.6
    assert score_tags(ours, test).f1 > 0.95


def test_what_cannot_be_made_worse_is_refused_by_name(toy):
    table = from_arrays(np.random.default_rng(0).random((20, 3)), np.arange(20) % 2)
    with pytest.raises(NeedsError, match="clean-to-noisy needs to know what makes an input worse"):
        CleanToNoisy()(toy.trained, Observed(train=table), streams=Streams(0))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"align": -1.0}, "noisy, align and restore must be at least 0"),
        ({"most": 1.5}, r"most must be in \[0, 1\], got 1.5"),
    ],
)
def test_settings_that_make_no_sense_are_refused(changed, said):
    with pytest.raises(ConfigError, match=said):
        CleanToNoisy(**changed)


def test_the_discriminator_is_dropped_too(toy):
    method = CleanToNoisy(distance="adversarial", budget=0.4)
    outcome = method(toy.trained, toy.observed, streams=Streams(0))
    assert list(outcome.model.state_dict()) == list(toy.trained.model.state_dict())
