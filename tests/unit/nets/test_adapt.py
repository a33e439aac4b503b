import copy
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.utils.data import Dataset

from unchaff.data import from_arrays, from_dataset
from unchaff.errors import ModelError
from unchaff.nets.adapt import adapted, bare

INPUTS = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))


class Pairs(Dataset):
    """Samples of two tensors."""

    def __init__(self, make):
        self.make = make

    def __len__(self):
        return len(INPUTS)

    def __getitem__(self, row):
        return self.make(INPUTS[row, :3], INPUTS[row, 3:], row % 2)


class TwoInputs(nn.Module):
    def __init__(self):
        super().__init__()
        self.out = nn.Linear(4, 2)

    def forward(self, first, second):
        return self.out(torch.cat([first, second], dim=1))


class OneMapping(TwoInputs):
    def forward(self, given):
        return super().forward(given["first"], given["second"])


class Answers(nn.Module):
    def __init__(self, wrap):
        super().__init__()
        self.out, self.wrap = nn.Linear(4, 2), wrap

    def forward(self, inputs):
        return self.wrap(self.out(inputs))


@pytest.mark.parametrize(
    ("make", "model"),
    [
        (lambda a, b, y: ({"first": a, "second": b}, y), TwoInputs()),
        (lambda a, b, y: {"first": a, "second": b, "labels": y}, TwoInputs()),
        (lambda a, b, y: {"second": b, "first": a, "label": torch.tensor(y)}, OneMapping()),
        (lambda a, b, y: ((a, b), y), TwoInputs()),
    ],
    ids=["mapping and label", "label inside", "network takes the mapping", "tuple"],
)
def test_a_network_gets_several_tensors_as_it_takes_them(make, model):
    samples = from_dataset(Pairs(make))
    assert samples.labels.tolist() == [0, 1, 0, 1, 0, 1]
    taking = adapted(model, samples)
    said = taking(next(samples.batches(6)).inputs)
    torch.testing.assert_close(said, model.out(INPUTS))


@pytest.mark.parametrize(
    "wrap",
    [
        lambda logits: logits,
        lambda logits: (logits, "hidden"),
        lambda logits: {"logits": logits},
        lambda logits: SimpleNamespace(loss=None, logits=logits),
    ],
    ids=["tensor", "tuple", "mapping", "object"],
)
def test_logits_are_found_in_what_a_network_returns(wrap):
    model = Answers(wrap)
    samples = from_arrays(INPUTS, [0, 1, 0, 1, 0, 1])
    inputs = next(samples.batches(6)).inputs
    torch.testing.assert_close(adapted(model, samples)(inputs), model.out(inputs))


def test_the_owners_network_stays_as_it_is_and_a_copy_can_be_made_bare():
    model = TwoInputs().train()
    samples = from_dataset(Pairs(lambda a, b, y: ({"first": a, "second": b}, y)))
    taking = copy.deepcopy(adapted(model, samples))  # hooks travel with copies
    assert taking(next(samples.batches(2)).inputs).shape == (2, 2)
    assert not model._forward_pre_hooks
    assert model.training
    plain = bare(taking)
    assert plain(INPUTS[:, :3], INPUTS[:, 3:]).shape == (6, 2)
    assert list(plain.state_dict()) == list(model.state_dict())


@pytest.mark.parametrize(
    ("wrap", "match"),
    [
        (lambda logits: {"scores": logits}, "returns dict without logits"),
        (lambda logits: logits[:, :, None], r"tensor of shape \(2, 2, 1\)"),
        (lambda logits: logits.missing, "cannot take a batch of the data"),
    ],
)
def test_a_network_without_logits_is_refused(wrap, match):
    with pytest.raises(ModelError, match=match):
        adapted(Answers(wrap), from_arrays(INPUTS, [0, 1, 0, 1, 0, 1]))
