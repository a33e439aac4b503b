"""What the published attribution is, and what it can and cannot see."""

from dataclasses import replace

import pytest
import torch
from captum.attr import LayerGradientXActivation
from sklearn.metrics import roc_auc_score
from torch import nn

from unchaff.attribute.published import Published, head_jacobian
from unchaff.data.prepare import Plain
from unchaff.data.sources import in_memory
from unchaff.records import Observed, Recipe, Trained
from unchaff.samples import Kind, canonical
from unchaff.streams import Streams
from unchaff.train.initial import train_by


@pytest.fixture(scope="module")
def noisy():
    """Ten clusters in 40 dimensions, 40 % of the labels wrong, and a network after three epochs."""
    count, draw = 3000, torch.Generator().manual_seed(0)
    right = torch.arange(count) % 10
    inputs = torch.randn(10, 40, generator=draw)[right] * 0.8 + torch.randn(count, 40, generator=draw)
    is_noisy = torch.rand(count, generator=draw) < 0.4
    shift = torch.randint(1, 10, (count,), generator=draw)
    samples = canonical(
        range(count),
        torch.where(is_noisy, (right + shift) % 10, right),
        class_names=tuple("abcdefghij"),
        kind=Kind("tabular", (40,)),
        source=in_memory(inputs, Plain()),
    )
    with Streams(0).forked_global("net"):
        model = nn.Sequential(nn.Linear(40, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 10))
    recipe = Recipe(epochs=3, batch_size=30, lr=0.01)
    model = train_by(recipe, model, samples, streams=Streams(0)).model.eval()
    return Trained(model=model), Observed(train=samples), is_noisy


def standardised(values):
    deviation = values.double().std(0, correction=0)
    live = deviation > 1e-6
    return ((values.double() - values.double().mean(0)) / deviation)[:, live], live


def test_the_gradient_is_a_constant_per_unit_and_cancels(noisy):
    trained, observed, _ = noisy
    found = Published()(trained, observed, streams=Streams(0)).units["2"]
    with torch.no_grad():
        z = trained.model[:3](next(observed.train.batches(3000)).inputs)
    largest = trained.model[4].weight.detach().amax(0).abs()
    # The product with z itself lets only active units through: elsewhere the gradient is zero.
    torch.testing.assert_close(found, largest * z.relu(), rtol=1e-5, atol=1e-5)
    left, live = standardised(found)
    right = standardised(z.relu())[0] if bool(live.all()) else standardised(z.relu()[:, live])[0]
    torch.testing.assert_close(left, right, rtol=0, atol=1e-4)


def auroc(noisy, aggregate):
    trained, observed, is_noisy = noisy
    total = Published(aggregate=aggregate)(trained, observed, streams=Streams(0)).total
    return roc_auc_score(~is_noisy, total)


def test_it_cannot_see_a_wrong_label(noisy):
    assert auroc(noisy, "max") == pytest.approx(0.5, abs=0.05)
    assert auroc(noisy, "mean") == pytest.approx(0.5, abs=0.05)


def test_with_the_loss_in_it_it_can(noisy):
    assert auroc(noisy, "loss") >= 0.8


def test_it_does_not_read_the_label(noisy):
    trained, observed, _ = noisy
    other = observed.train.relabel(observed.train.labels.flip(0))
    first = Published()(trained, observed, streams=Streams(0))
    second = Published()(trained, replace(observed, train=other), streams=Streams(0))
    assert torch.equal(first.total, second.total)


@pytest.mark.filterwarnings("ignore")
def test_the_gradients_are_those_of_captum(noisy):
    trained, observed, _ = noisy
    inputs = next(observed.train.batches(20)).inputs
    jacobian, output, _ = head_jacobian(trained.model, "2", inputs)
    oracle = LayerGradientXActivation(trained.model, trained.model[2])
    for target in (0, 7):
        expected = oracle.attribute(inputs, target=target)
        torch.testing.assert_close(jacobian[target] * output, expected.detach(), rtol=1e-5, atol=1e-6)


def test_the_gradient_of_the_loss_is_that_of_autograd(noisy):
    trained, observed, _ = noisy
    batch = next(observed.train.batches(20))
    found = Published(aggregate="loss")(trained, observed, streams=Streams(0)).units["2"][:20]
    hidden = trained.model[:3](batch.inputs).detach().requires_grad_()
    loss = nn.functional.cross_entropy(trained.model[3:](hidden), batch.labels, reduction="sum")
    (gradient,) = torch.autograd.grad(loss, hidden)
    torch.testing.assert_close(found, (gradient * hidden).abs().detach(), rtol=1e-4, atol=1e-6)
