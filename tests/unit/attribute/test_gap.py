"""The look before any work: by heart, disputed, or neither."""

import numpy as np
import pytest
import torch
from torch import nn

from unchaff.attribute.gap import memorisation
from unchaff.data.prepare import Plain
from unchaff.data.sources import in_memory
from unchaff.records import Cost, Observed, Trained
from unchaff.samples import Kind, canonical
from unchaff.streams import Streams

PLACE = 8  # the frame that a network which learned by heart reads


class Reads(nn.Module):
    """Answers 1 where what it reads is above 0: everything, or one frame."""

    def __init__(self, frames):
        super().__init__()
        weight = torch.zeros(2, 16 * 16)
        weight.view(2, 16, 16)[:, :, frames] = torch.tensor([-1.0, 1.0])[:, None, None]
        self.line = nn.Linear(256, 2, bias=False)
        self.line.weight = nn.Parameter(weight)

    def forward(self, inputs):
        return self.line(inputs.flatten(1))


def look(labels, frames, kind="audio"):
    draw = Streams(0)("gap")
    right = torch.arange(400) % 2
    inputs = 0.2 * torch.randn(400, 1, 16, 16, generator=draw) + (2.0 * right - 1)[:, None, None, None]
    inputs[..., PLACE] = 3 * (2.0 * labels - 1)[:, None, None]  # what is only there to be remembered
    samples = canonical(
        np.arange(400),
        labels,
        class_names=("no", "yes"),
        kind=Kind(kind, (1, 16, 16)),
        source=in_memory(inputs, Plain()),
    )
    return memorisation(Trained(model=Reads(frames).eval()), Observed(train=samples), streams=Streams(0))


RIGHT = torch.arange(400) % 2
WRONG = torch.where(torch.arange(400) < 120, 1 - RIGHT, RIGHT)


def test_right_labels_that_are_not_only_remembered_are_clean():
    found = look(RIGHT, slice(None))
    assert found.changed
    assert found.gap < 0.02
    assert found.is_clean
    assert found.is_undisputed
    assert found.cost.samples_seen == 800


def test_wrong_labels_that_were_not_learned_are_disputed():
    found = look(WRONG, [each for each in range(16) if each != PLACE])
    assert abs(found.gap) < 0.02
    assert found.disagreement == pytest.approx(0.3, abs=0.08)
    assert not found.is_clean
    assert not found.is_undisputed


def test_wrong_labels_known_by_heart_leave_a_gap():
    found = look(WRONG, [PLACE])
    assert found.gap > 0.1
    assert not found.is_clean


def test_what_is_never_changed_tells_nothing_and_costs_nothing():
    found = look(RIGHT, slice(None), kind="tabular")
    assert not found.changed
    assert not found.is_clean
    assert not found.is_undisputed
    assert found.cost == Cost()
