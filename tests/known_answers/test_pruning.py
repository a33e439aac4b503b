"""Units planted as sensitive are found again; curvature is that of the exact Hessian."""

import pytest
import torch
from scipy.stats import spearmanr
from torch import nn

from unchaff.methods.published import least_squares
from unchaff.prune.hessian import diagonals, saliency
from unchaff.prune.sensitivity import sensitivities
from unchaff.streams import Streams


def planted(spread=0.0, seed=0):
    """Return activations of 128 units, 20 1.5 deviations up on bad samples, and a 90 % right split."""
    draw = torch.Generator().manual_seed(seed)
    bad = torch.rand(4000, generator=draw) < 0.4
    active = torch.randn(4000, 128, generator=draw)
    active[:, :20] += 1.5 * bad[:, None]
    active *= torch.exp(spread * torch.randn(128, generator=draw))
    wrong = torch.rand(4000, generator=draw) < 0.1
    return active, (bad ^ wrong).float()


def recovered(scores):
    return int((scores.argsort(descending=True)[:20] < 20).sum()) / 20


@pytest.mark.parametrize("spread", [0.0, 1.0])
def test_planted_units_are_recovered_whatever_their_scale(spread):
    found = [recovered(sensitivities(*planted(spread, seed), penalty=0.1)) for seed in range(3)]
    assert sum(found) / 3 >= 0.95


def test_the_published_regression_ranks_by_scale():
    active, doubt = planted(spread=1.0)
    assert recovered(least_squares(active.double(), doubt.double()).abs()) < 0.8


def test_the_sign_says_for_whom_a_unit_speaks():
    active, doubt = planted()
    assert (sensitivities(active, doubt, 0.1)[:20] > 0).all()
    assert (sensitivities(-active, doubt, 0.1)[:20] < 0).all()


def test_a_silent_unit_has_no_sensitivity():
    active, doubt = planted()
    active[:, 5] = 3.0
    scores = sensitivities(active, doubt, 0.1)
    assert scores[5] == 0
    assert torch.isfinite(scores).all()


def test_many_probes_give_the_diagonal_of_the_hessian():
    with Streams(0).forked_global("net"):
        model = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3))
    draw = Streams(0)("data")
    inputs, labels = torch.randn(30, 4, generator=draw), torch.randint(3, (30,), generator=draw)
    weight = model[0].weight

    def loss(flat):
        outputs = nn.functional.linear(inputs, flat.view_as(weight), model[0].bias).tanh()
        return nn.functional.cross_entropy(model[2](outputs), labels, reduction="sum")

    exact = torch.autograd.functional.hessian(loss, weight.detach().flatten()).diagonal().view_as(weight)
    (found,) = diagonals(loss(weight.flatten()), [weight], 1500, Streams(0)("probes"))
    torch.testing.assert_close(found, exact, rtol=0.15, atol=0.15 * float(exact.abs().max()))
    assert spearmanr(found.flatten(), exact.flatten()).statistic > 0.95


def test_saliency_is_half_the_weight_squared_times_curvature_by_row():
    weight = torch.tensor([[1.0, 2.0], [3.0, 1.0]])
    curvature = torch.tensor([[2.0, -5.0], [1.0, 4.0]])
    assert saliency(weight, curvature).tolist() == [1.0, 0.5 * (9.0 + 4.0)]
