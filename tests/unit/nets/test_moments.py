"""Mean and variance in closed form, against draws."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from unchaff.errors import NeedsError
from unchaff.nets.blocks import Residual
from unchaff.nets.cnn import small_cnn
from unchaff.nets.mlp import mlp
from unchaff.nets.moments import Moments, Propagation, bound, relu, second_order
from unchaff.nets.standardize import Standardize
from unchaff.streams import Streams


def draw(name, *shape):
    return torch.randn(*shape, generator=Streams(0)(name))


def built(make, *given):
    with Streams(0).forked_global("moments"):
        return make(*given).eval()


@pytest.mark.parametrize("ratio", [-4.0, -1.0, -0.1, 0.0, 0.7, 3.0])
def test_a_rectified_gaussian_has_the_moments_of_its_draws(ratio):
    read = Moments(torch.tensor(2.0 * ratio), torch.tensor(4.0))
    drawn = functional.relu(2 * ratio + 2 * draw("relu", 4_000_000).double())
    said = relu(read)
    torch.testing.assert_close(said.mean.double(), drawn.mean(), rtol=1e-2, atol=2e-3)
    torch.testing.assert_close(said.variance.double(), drawn.var(), rtol=1e-2, atol=4e-3)


@pytest.mark.parametrize("ratio", [1e4, 40.0, -40.0, 0.0])
def test_far_from_zero_a_unit_is_linear_or_off_and_nothing_cancels(ratio):
    mean = torch.tensor(100.0 * (ratio > 0) + ratio * 1e-3, requires_grad=True)
    said = relu(Moments(mean, torch.tensor(1e-6)))
    expected = torch.tensor(1e-6 if ratio > 0 else 0.0 if ratio < 0 else 1e-6 * 0.3408451)
    torch.testing.assert_close(said.variance, expected, rtol=1e-3, atol=1e-12)
    said.mean.backward()
    assert torch.isfinite(mean.grad)


def test_two_layers_vary_as_their_draws_do():
    """Correlations between units are left out; the spec allows a tenth."""
    first, second = built(nn.Linear, 20, 400), built(nn.Linear, 400, 6)
    net, inputs = nn.Sequential(first, nn.ReLU(), second), draw("inputs", 1, 20)
    with torch.no_grad():
        hidden = first(inputs)
        said = Propagation(frozenset({"0", "2"}), 0.5)(net, Moments(inputs))
        noisy = hidden + 0.5 * hidden.std() * draw("hidden", 20_000, 400)
        drawn = second(functional.relu(noisy))
        drawn = drawn + 0.5 * said.mean.std() * draw("out", *drawn.shape)
    torch.testing.assert_close(said.variance[0], drawn.var(0), rtol=0.1, atol=0)
    torch.testing.assert_close(said.mean[0], drawn.mean(0), rtol=0.02, atol=0.02)


@pytest.mark.parametrize("level", [0.1, 0.5, 1.0])
def test_the_bound_is_above_the_draws_and_the_second_order_near_them(level):
    mean = 2 * draw(f"mean {level}", 12, 10)
    variance = level * draw(f"variance {level}", 12, 10).square()
    labels = torch.arange(12) % 10
    drawn = mean + variance.sqrt() * draw(f"draws {level}", 20_000, 12, 10)
    losses = functional.cross_entropy(drawn.flatten(0, 1), labels.repeat(20_000), reduction="none")
    expected = losses.view(20_000, 12).mean(0)
    assert (bound(mean, variance, labels) > expected).all()
    if level <= 0.5:
        torch.testing.assert_close(
            second_order(mean, variance, labels).mean(), expected.mean(), rtol=0.03, atol=0
        )


def test_without_variance_both_are_the_cross_entropy():
    mean, labels = draw("plain", 9, 4), torch.arange(9) % 4
    plain = functional.cross_entropy(mean, labels, reduction="none")
    assert torch.equal(bound(mean, torch.zeros(9, 4), labels), plain)
    assert torch.equal(second_order(mean, torch.zeros(9, 4), labels), plain)


@pytest.mark.parametrize(
    "module",
    [
        nn.Conv2d(3, 4, 3, stride=2, padding=1, groups=1),
        nn.Conv2d(3, 3, 3, padding=1, groups=3, padding_mode="circular"),
        nn.BatchNorm2d(3),
        nn.AvgPool2d(2),
        nn.AdaptiveAvgPool2d(2),
        nn.Sequential(nn.Flatten(), nn.Linear(75, 5), nn.BatchNorm1d(5)),
        Standardize(3, 2),
    ],
    ids=str,
)
def test_what_is_linear_carries_variance_as_its_draws_do(module):
    with torch.no_grad():
        for name, each in [*module.named_parameters(), *module.named_buffers()]:
            if each.is_floating_point():
                each.copy_(draw(name, *each.shape).abs() + 0.3)
        mean, variance = draw("mean", 1, 3, 5, 5), draw("variance", 1, 3, 5, 5).square() + 0.1
        module.eval()
        said = Propagation(frozenset(), 0.0)(module, Moments(mean, variance))
        drawn = module(mean + variance.sqrt() * draw("noise", 20_000, 3, 5, 5))
    torch.testing.assert_close(said.mean[0], drawn.mean(0), rtol=0.05, atol=0.2)
    torch.testing.assert_close(said.variance[0], drawn.var(0), rtol=0.08, atol=0)


def test_in_training_a_normalisation_scales_by_the_statistics_of_the_mean_and_keeps_them():
    norm, mean = nn.BatchNorm2d(3).train(), 3 * draw("batch", 16, 3, 4, 4)
    said = Propagation(frozenset(), 0.0)(norm, Moments(mean, torch.ones_like(mean)))
    expected = 1 / (mean.var((0, 2, 3), correction=0) + norm.eps)
    torch.testing.assert_close(said.variance[0, :, 0, 0], expected)
    torch.testing.assert_close(norm.running_mean, 0.1 * mean.mean((0, 2, 3)))


def test_a_residual_block_adds_what_both_ways_bring():
    block, inputs = built(Residual, 8, 16, 2), draw("block", 2, 8, 6, 6)
    with torch.no_grad():
        block.conv1.weight.mul_(6)  # so that both ways bring noise worth seeing
        said = Propagation(frozenset({"conv1", "shortcut.0"}), 0.3)(block, Moments(inputs))
        first, way = block.conv1(inputs), block.shortcut[0](inputs)
        sums = [torch.zeros_like(said.mean), torch.zeros_like(said.mean)]
        for place in range(2000):
            one = first + 0.3 * first.std() * draw(f"a{place}", *first.shape)
            other = way + 0.3 * way.std() * draw(f"b{place}", *way.shape)
            inner = block.norm2(block.conv2(functional.relu(block.norm1(one))))
            out = functional.relu(inner + block.shortcut[1](other))
            sums[0] += out / 2000
            sums[1] += out.square() / 2000
    torch.testing.assert_close(said.mean, sums[0], rtol=0.1, atol=0.03)
    torch.testing.assert_close(said.variance.mean(), (sums[1] - sums[0].square()).mean(), rtol=0.1, atol=0)


@pytest.mark.parametrize(("make", "shape"), [(mlp, (1, 8, 8)), (small_cnn, (3, 16, 16))])
def test_without_noise_the_built_in_networks_answer_as_always(make, shape):
    net, inputs = built(make, shape, 4), draw("net", 3, *shape)
    said = Propagation(frozenset({"3.conv1"}), 0.0)(net, Moments(inputs))
    assert said.variance is None
    torch.testing.assert_close(said.mean, net(inputs))


def test_a_module_without_a_rule_is_named_with_the_way_out():
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Sequential(nn.MaxPool2d(2)))
    with pytest.raises(NeedsError, match=r"1\.0 \(MaxPool2d\)\. Use mode='sampled'"):
        Propagation(frozenset(), 0.1)(net, Moments(torch.zeros(1, 1, 8, 8)))
    with pytest.raises(NeedsError, match="as a whole"):
        Propagation(frozenset(), 0.1)(nn.MaxPool2d(2), Moments(torch.zeros(1, 1, 8, 8)))
    with pytest.raises(NeedsError, match="pools without padding"):
        Propagation(frozenset(), 0.1)(nn.AvgPool2d(3, padding=1), Moments(torch.zeros(1, 1, 8, 8)))
