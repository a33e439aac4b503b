"""Networks that know wrong labels by heart, and methods that are told which."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch

from unchaff.bench.oracle import KnownSplit, Unjudged
from unchaff.records import Observed, Recipe, Trained, Truth
from unchaff.streams import Streams
from unchaff.train.initial import train_by


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
