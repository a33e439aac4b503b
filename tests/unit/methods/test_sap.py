import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from unchaff.errors import ConfigError
from unchaff.methods.sap import Sap, scales, trusted_space
from unchaff.nets.grams import projectable, read_by, scaled_to
from unchaff.streams import Streams

LAYERS = [
    nn.Conv2d(4, 6, (3, 2), stride=(2, 1), padding=(1, 0)),
    nn.Conv2d(4, 6, 3, padding="same", dilation=2, padding_mode="circular"),
    nn.Conv2d(4, 6, 3, groups=2),
    nn.Conv1d(4, 6, 3, stride=2, padding=1, dilation=2),
    nn.Linear(4, 6),
]


def drawn(*shape):
    return torch.randn(*shape, generator=Streams(1)("inputs"))


@pytest.mark.parametrize("layer", LAYERS, ids=str)
def test_a_layer_is_its_weight_times_what_it_reads(layer):
    inputs = (
        drawn(3, 5, 4) if isinstance(layer, nn.Linear) else drawn(3, 4, *(7, 8)[: layer.weight.dim() - 2])
    )
    read = read_by(layer, inputs)
    weight = layer.weight.reshape(len(read), -1, read.shape[1])
    found = (weight @ read).flatten(0, 1) + layer.bias[:, None]  # (outputs, positions)
    expected = layer(inputs)
    axis = -1 if isinstance(layer, nn.Linear) else 1
    torch.testing.assert_close(found, expected.movedim(axis, 0).flatten(1), rtol=1e-4, atol=1e-5)


def test_importance_is_scaled_as_the_equation_says():
    shares = torch.tensor([0.0, 0.25, 1.0])
    torch.testing.assert_close(scales(shares, 1.0), shares)
    torch.testing.assert_close(scales(shares, 3.0), torch.tensor([0.0, 0.5, 1.0]))
    assert scales(shares, math.inf).tolist() == [1.0, 1.0, 1.0]


def test_directions_that_are_never_read_are_taken_off_and_the_others_stay():
    weight, basis = torch.tensor([[1.0, 2.0, 3.0]]), torch.eye(3, dtype=torch.float64)[None]
    found = scaled_to(weight, basis, torch.tensor([[1.0, 0.5, 0.0]], dtype=torch.float64))
    assert found.tolist() == [[1.0, 1.0, 0.0]]


def test_the_network_answers_trusted_samples_as_before_where_their_space_is_kept(toy):
    """A layer of which they use two directions: all others go, and its answers to them stay."""
    inputs = drawn(40, 2) @ drawn(2, 64)
    samples = replace(toy.observed.train, source=_Rows(inputs)).at(np.arange(40))
    model = nn.Sequential(nn.Linear(64, 5, bias=False))
    projected, _ = trusted_space(model, samples).projected(model, 1e4)
    torch.testing.assert_close(projected(inputs), model(inputs), rtol=1e-2, atol=1e-2)
    assert int(torch.linalg.matrix_rank(projected[0].weight.detach(), rtol=1e-2)) == 2
    other = drawn(50, 64)[40:]
    off = other - other @ torch.linalg.pinv(inputs) @ inputs
    assert projected(off).abs().max() < 1e-2 * model(off).abs().max()


def test_an_infinite_alpha_leaves_every_bit_as_it_was(learned, told):
    outcome = told(Sap(alpha=math.inf), learned.truth)(learned.trained, learned.observed, streams=Streams(0))
    for (name, tensor), other in zip(
        learned.trained.model.state_dict().items(), outcome.model.state_dict().values(), strict=True
    ):
        assert torch.equal(tensor, other), name


def test_only_weights_of_layers_that_learn_change(learned, told):
    model = learned.trained.model
    model[0][0].weight.requires_grad_(requires_grad=False)
    try:
        names = projectable(model, next(learned.test.batches(2)).inputs)
        outcome = told(Sap(alpha=300.0), learned.truth)(learned.trained, learned.observed, streams=Streams(0))
    finally:
        model.requires_grad_(requires_grad=True)
    assert names == ["1.0", "3", "5"]
    changed = [
        name
        for name, tensor in outcome.model.state_dict().items()
        if not torch.equal(tensor, model.state_dict()[name])
    ]
    assert changed == [f"{name}.weight" for name in names]


def test_how_gentle_to_be_is_chosen_on_the_noisy_holdout_and_fixed_without_one(learned, told):
    method = told(Sap(), learned.truth)
    chosen = method(learned.trained, learned.observed, streams=Streams(0))
    fixed = method(learned.trained, replace(learned.observed, holdout=None), streams=Streams(0))
    assert "best on noisy validation" in chosen.notes[0]
    assert fixed.notes == ("alpha was 100000.",)
    looks = chosen.cost.samples_seen - fixed.cost.samples_seen
    assert looks == 12 * len(learned.observed.holdout), "each is paid for"
    once, often = (each.cost.stages["project"].flops for each in (fixed, chosen))
    assert often == pytest.approx(12 * once)
    assert once > 0


def test_settings_that_make_no_sense_are_refused():
    for given in ({"alpha": 0.0}, {"alphas": (1.0, -1.0)}, {"trusted": 0}):
        with pytest.raises(ConfigError, match="The paper tries 1e4 to 1e6"):
            Sap(**given)


class _Rows:
    """Rows of numbers in memory, as they are."""

    in_memory = True

    def __init__(self, rows):
        self.rows = rows

    def read(self, batches):
        return (self.rows[torch.from_numpy(batch)] for batch in batches)

    def raw(self, rows):
        return self.rows[torch.from_numpy(rows)]

    def altered(self, change, *, fresh=False):
        raise NotImplementedError

    def select(self, rows):
        return _Rows(self.raw(rows))

    def to(self, device):
        return self
