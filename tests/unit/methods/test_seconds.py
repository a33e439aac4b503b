"""Whether every second of a repair is paid for, once: on a clock that only what is named here moves."""

import time
from dataclasses import replace

import numpy as np
import pytest
from torch import nn

from unchaff.attribute import typicality
from unchaff.attribute.observe import Walk
from unchaff.attribute.readout import Readout
from unchaff.attribute.ridge import Ridge, Sums
from unchaff.attribute.typicality import Statistics, Typicality
from unchaff.data.prepare import Pixels
from unchaff.data.sources import on_disk
from unchaff.errors import ModelError
from unchaff.methods import unlearn
from unchaff.methods.finetune import FineTune, Schedule
from unchaff.methods.unlearn import Unlearn
from unchaff.partition.transition import Transition
from unchaff.records import Observed
from unchaff.streams import Streams
from unchaff.train.loop import Training


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now

    def slow(self, monkeypatch, owner, name, seconds=1.0):
        usual = owner.__dict__[name] if isinstance(owner, type) else getattr(owner, name)
        plain = usual.__func__ if isinstance(usual, classmethod) else usual

        def slowed(*given, **named):
            self.now += seconds
            return plain(*given, **named)

        monkeypatch.setattr(owner, name, classmethod(slowed) if isinstance(usual, classmethod) else slowed)


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(time, "perf_counter", clock)
    return clock


SCORING = [
    (Sums, "add"),
    (Sums, "solve"),
    (Ridge, "leave_one_out"),
    (Statistics, "of"),
    (Statistics, "direction"),
    (Statistics, "differences"),
    (typicality, "ashman"),
    (typicality, "posterior"),
]
REPAIR = [
    *SCORING,
    (Transition, "__call__"),
    (unlearn, "masks_for"),
    (unlearn, "full_cost"),
    (Unlearn, "_look_again"),
    (Schedule, "plan"),
    (FineTune, "start"),
    (Training, "run_epoch"),
]


@pytest.mark.parametrize("where", ["memory", "files"])
def test_every_second_of_a_repair_is_paid_for_once(toy, monkeypatch, clock, where):
    for owner, name in REPAIR:
        clock.slow(monkeypatch, owner, name)
    observed, train = toy.observed, toy.observed.train
    if where == "files":
        clock.slow(monkeypatch, Pixels, "__call__")
        decoded = on_disk(list(train.source.raw(np.arange(len(train)))), Pixels(), workers=0)
        observed = Observed(train=replace(train, source=decoded))
    cost = Unlearn(partition=Transition(), budget=0.5)(toy.trained, observed, streams=Streams(0)).cost
    assert clock.now > 20
    assert cost.seconds == clock.now
    assert sum(stage.seconds for stage in cost.stages.values()) == cost.seconds
    assert {"score", "re-score", "split", "plan", "fine-tune"} <= set(cost.stages)
    assert all(cost.stages[name].seconds > 0 for name in ("score", "re-score", "split", "plan", "fine-tune"))


def test_every_second_of_a_shared_look_is_on_one_of_its_two_bills(toy, monkeypatch, clock):
    for owner, name in SCORING:
        clock.slow(monkeypatch, owner, name)
    assert Typicality()(toy.trained, toy.observed, streams=Streams(0)).cost.seconds == clock.now


def test_a_walk_that_is_made_from_another_has_a_bill_of_its_own(toy):
    readout = Readout()
    walk = readout.walk(toy.trained, toy.observed)
    readout.fitted(walk)
    assert replace(walk, batch_size=7).bill().samples_seen == 0


def test_what_cannot_be_walked_over_is_said_by_its_own_error(toy):
    with pytest.raises(ModelError, match="layer"):
        Walk(nn.Flatten(), toy.observed.train, 0.5)
