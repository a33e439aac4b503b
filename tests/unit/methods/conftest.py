"""What tests of methods share: plain trainings, rows of numbers, networks that know labels by heart."""

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch

from unchaff import journal
from unchaff.bench.oracle import KnownSplit, Unjudged
from unchaff.data.prepare import AsIs
from unchaff.data.sources import in_memory
from unchaff.evaluate.accuracy import score
from unchaff.methods.retrain import Retrain
from unchaff.nets.build import build
from unchaff.noise import parse
from unchaff.records import Observed, Recipe, Trained, Truth
from unchaff.samples import Kind, Samples, canonical
from unchaff.streams import Streams
from unchaff.train.initial import train_by


@pytest.fixture(scope="session")
def plain(toy):
    """Return a function that trains plainly on the toy, once; a budget of 4 is enough to learn by heart."""
    known = {}

    def trained(budget=1.0):
        if budget not in known:
            known[budget] = Retrain(budget=budget)(toy.trained, toy.observed, streams=Streams(3))
        return known[budget]

    return trained


@pytest.fixture(scope="session")
def accuracy(toy):
    """Return a function: outcome -> share of the toy's test samples it gets right."""
    return lambda outcome: score(outcome.model, toy.test).accuracy


@pytest.fixture
def assert_same_weights():
    def check(left, right):
        for (name, tensor), other in zip(left.state_dict().items(), right.state_dict().values(), strict=True):
            assert torch.equal(tensor, other), name

    return check


def caused(count: int, seed: int, classes: int = 4) -> Samples:
    """Return rows of 40 numbers that five causes make, so that any seven tenths of them tell the rest."""
    fixed, drawn = torch.Generator().manual_seed(0), torch.Generator().manual_seed(seed)
    middles, mixing = 1.6 * torch.randn(classes, 5, generator=fixed), torch.randn(5, 40, generator=fixed)
    labels = torch.arange(count) % classes
    causes = middles[labels] + 0.7 * torch.randn(count, 5, generator=drawn)
    rows = torch.tanh(causes @ mixing / 2) + 0.1 * torch.randn(count, 40, generator=drawn)
    return canonical(
        range(count),
        labels,
        class_names=tuple("abcdefgh"[:classes]),
        kind=Kind("tabular", (40,)),
        source=in_memory(rows / 0.7, AsIs()),
    )


@dataclass(frozen=True)
class Rows:
    """Rows under wrong labels, and a network that nobody has trained yet: methods that train anew only."""

    trained: Trained
    observed: Observed
    truth: Truth
    test: Samples


@pytest.fixture(scope="session")
def rows() -> Callable[..., Rows]:
    """Return a function that plants some noise in rows of numbers."""

    def planted(noise: str, *, count: int = 1500, seed: int = 0, epochs: int = 16) -> Rows:
        clean, streams = caused(count, seed=1 + seed), Streams(seed)
        plant = parse(noise)
        noisy, truth = (clean, None) if plant is None else plant(clean, streams=streams.fork("noise"))
        if truth is None:
            nothing = torch.zeros(count, dtype=torch.bool)
            truth = Truth(ids=clean.ids, true_label=clean.labels, is_noisy=nothing)
        model = build("mlp", noisy, streams=streams).eval()
        recipe = replace(Recipe.usual(model, count), epochs=epochs, batch_size=64)
        return Rows(Trained(model=model, recipe=recipe), Observed(train=noisy), truth, caused(1000, seed=99))

    return planted


def trained_on(toy, samples, *, epochs, seed=1):
    """Return the network of the toy, trained anew on other samples."""
    plain = copy.deepcopy(toy.trained.model)
    plain.load_state_dict(toy.trained.initial)
    recipe = Recipe(epochs=epochs, batch_size=30, lr=0.05)
    fitted = train_by(recipe, plain, samples, streams=Streams(seed))
    initial = {name: tensor.clone() for name, tensor in plain.state_dict().items()}
    return Trained(model=fitted.model.eval(), recipe=recipe, initial=initial, cost=fitted.cost)


def by_heart(toy, seed=0):
    """Return the toy with four in ten labels wrong, learned for long; 150 samples, as wrong, are held out."""
    clean = toy.clean
    is_noisy = torch.from_numpy(Streams(seed).per_id("by heart", clean.ids).argsort().argsort() < 240)
    wrong = (clean.labels + 1 + torch.arange(600) // 7 % 3) % 4
    noisy = clean.relabel(torch.where(is_noisy, wrong, clean.labels))
    held = np.arange(600) % 4 == np.arange(600) // 4 % 4  # of every class alike
    train = noisy.at(np.flatnonzero(~held))
    rows = torch.from_numpy(~held)
    return replace(
        toy,
        trained=trained_on(toy, train, epochs=30, seed=seed),
        observed=Observed(train=train, holdout=noisy.at(np.flatnonzero(held))),
        truth=Truth(ids=train.ids, true_label=clean.labels[rows], is_noisy=is_noisy[rows]),
        clean=clean.at(np.flatnonzero(~held)),
    )


def told_of(method, truth):
    """Return the method with the true split instead of one of its own."""
    return replace(method, attribute=Unjudged(), partition=KnownSplit(truth=truth))


@pytest.fixture(scope="session")
def learned(toy):
    return by_heart(toy)


@pytest.fixture(scope="session")
def told():
    return told_of


@pytest.fixture(scope="session")
def anew():
    return trained_on


@pytest.fixture
def interrupted(toy, tmp_path, monkeypatch):
    """Return a function that stops a method at its n-th look at all logits, and sees that it goes on."""

    def check(method, module, *, at):
        monkeypatch.setattr(journal, "EVERY", 0)
        expected = method(toy.trained, toy.observed, streams=Streams(0))
        looks, look = [], module.logits_of

        def stopping(*given, **options):
            looks.append(1)
            if len(looks) == at:
                raise KeyboardInterrupt
            return look(*given, **options)

        monkeypatch.setattr(module, "logits_of", stopping)
        with journal.kept_by(journal.Journal(tmp_path)), pytest.raises(KeyboardInterrupt):
            method(toy.trained, toy.observed, streams=Streams(0))
        with journal.kept_by(journal.Journal(tmp_path)):
            again = method(toy.trained, toy.observed, streams=Streams(0))
        assert again.cost.flops == expected.cost.flops
        assert torch.equal(again.partition.quality, expected.partition.quality)
        assert torch.equal(again.model[5].weight, expected.model[5].weight)

    return check
