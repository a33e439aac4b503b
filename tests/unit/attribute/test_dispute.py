"""The look of the control: settled or disputed."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from unchaff.attribute.dispute import dispute
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


def look(labels, frames, kind="audio", augmentation=None):
    draw = Streams(0)("dispute")
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
    samples = replace(samples, augmentation=augmentation)
    return dispute(Trained(model=Reads(frames).eval()), Observed(train=samples), streams=Streams(0))


RIGHT = torch.arange(400) % 2
WRONG = torch.where(torch.arange(400) < 120, 1 - RIGHT, RIGHT)


def test_right_labels_that_are_not_only_remembered_are_settled():
    found = look(RIGHT, slice(None))
    assert found.disagreement < 0.05
    assert found.is_settled
    assert found.cost.samples_seen == 400


def test_wrong_labels_that_were_not_learned_are_disputed():
    found = look(WRONG, [each for each in range(16) if each != PLACE])
    assert found.disagreement == pytest.approx(0.3, abs=0.08)
    assert not found.is_settled


def test_wrong_labels_known_by_heart_are_disputed_where_the_input_is_changed():
    assert not look(WRONG, [PLACE]).is_settled


@pytest.mark.parametrize("still", [[0], [1], [0, 1]])
def test_a_batch_that_happens_to_stay_as_it_is_does_not_end_the_look(still):
    number = iter(range(2))

    def some_move(inputs, generator):
        moved = next(number) not in still
        return inputs + 0.01 * torch.rand(inputs.shape, generator=generator) if moved else inputs

    found = look(RIGHT, slice(None), augmentation=some_move)
    assert found.is_settled == (len(still) < 2)
    assert found.cost.samples_seen == sum(size for part, size in enumerate((256, 144)) if part not in still)
    assert (found.disagreement is None) == (found.cost.flops == 0) == (len(still) == 2)


def test_what_is_never_changed_tells_nothing_and_costs_nothing():
    found = look(RIGHT, slice(None), kind="tabular")
    assert found.disagreement is None
    assert not found.is_settled
    assert found.cost == Cost()
