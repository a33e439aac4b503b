"""What tests of single methods share: plain trainings on the toy to compare with."""

import pytest
import torch

from unchaff.evaluate.accuracy import score
from unchaff.methods.retrain import Retrain
from unchaff.streams import Streams


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
