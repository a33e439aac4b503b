"""Mean and variance of what layers return when noise is added inside a network, in closed form.

Units are taken to be independent of each other, and what a ReLU reads to be Gaussian.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import starmap
from math import pi, sqrt
from types import MappingProxyType
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from unchaff.errors import NeedsError
from unchaff.nets.blocks import Residual
from unchaff.nets.standardize import Standardize

SMALLEST = 1e-12  # variance that is told from none


@dataclass(frozen=True)
class Moments:
    """Mean and variance of each unit; None: no noise yet."""

    mean: Tensor
    variance: Tensor | None = None

    def __add__(self, other: "Moments") -> "Moments":
        """Return the moments of an independent sum."""
        known = [each for each in (self.variance, other.variance) if each is not None]
        return Moments(self.mean + other.mean, sum(known[1:], known[0]) if known else None)


@dataclass(frozen=True)
class Propagation:
    """Carries moments through a network, and adds noise at some of its layers."""

    noisy: frozenset[str]  # names of layers
    strength: float  # of the noise, in deviations of what the layer returns over the batch
    path: tuple[str, ...] = field(default=())  # to the module at hand

    def __call__(self, module: nn.Module, read: Moments) -> Moments:
        """Return the moments of what a module returns.

        Raises:
            NeedsError: there is no rule for it.
        """
        rule = RULES.get(type(module))
        if rule is None:
            raise NeedsError(
                "The closed form knows linear and 2d convolution layers, batch normalisation, ReLU, average "
                "pools, flattening and the residual blocks of unchaff; the network has "
                f"{'.'.join(self.path) or 'as a whole'} ({type(module).__name__}). Use mode='sampled'."
            )
        said = rule(self, module, read)
        if self.strength > 0 and ".".join(self.path) in self.noisy:
            noise = Moments(torch.zeros_like(said.mean), self._noise(said.mean))
            return said + noise
        return said

    def child(self, module: nn.Module, name: str, read: Moments) -> Moments:
        """Return the moments of what a part of a module returns."""
        inner = Propagation(self.noisy, self.strength, (*self.path, name))
        return inner(module.get_submodule(name), read)

    def _noise(self, mean: Tensor) -> Tensor:
        return (self.strength * mean.detach().float().std()).square().expand(mean.shape)


def relu(read: Moments) -> Moments:
    """Return the moments of a rectified Gaussian, precise for any ratio of mean to deviation.

    With r = m / sqrt(v): m' = m Phi(r) + sqrt(v) phi(r), and v' = (m^2 + v) Phi(r) + m sqrt(v) phi(r) - m'^2,
    sorted so that no two large numbers are taken off each other.
    """
    if read.variance is None:
        return Moments(functional.relu(read.mean))
    deviation = read.variance.float().clamp_min(SMALLEST).sqrt()
    mean = read.mean.float()
    ratio = (mean / deviation).clamp(-30, 30)  # beyond, the unit is off, or linear
    below, above = torch.special.ndtr(-ratio), torch.special.ndtr(ratio)
    density = (-0.5 * ratio.square()).exp() / sqrt(2 * pi)
    kept = above + ratio.square() * above * below + ratio * density * (below - above) - density.square()
    return Moments(mean * above + deviation * density, deviation.square() * kept.clamp_min(0))


def bound(
    mean: Float[Tensor, "b classes"], variance: Float[Tensor, "b classes"], labels: Tensor
) -> Float[Tensor, " b"]:
    """Return an upper bound of the expected cross-entropy: -m_t + log sum_k exp(m_k + v_k / 2) (Jensen)."""
    own = variance.gather(1, labels[:, None]).squeeze(1)
    return functional.cross_entropy(mean + variance / 2, labels, reduction="none") + own / 2


def second_order(
    mean: Float[Tensor, "b classes"], variance: Float[Tensor, "b classes"], labels: Tensor
) -> Float[Tensor, " b"]:
    """Return the expected cross-entropy to second order: that of the mean + sum_k v_k p_k (1 - p_k) / 2."""
    said = mean.softmax(1)
    plain = functional.cross_entropy(mean, labels, reduction="none")
    return plain + (variance * said * (1 - said)).sum(1) / 2


def _sequential(walk: Propagation, module: nn.Module, read: Moments) -> Moments:
    for name, _ in module.named_children():
        read = walk.child(module, name, read)
    return read


def _residual(walk: Propagation, module: nn.Module, read: Moments) -> Moments:
    inner = read
    for name in ("conv1", "norm1"):
        inner = walk.child(module, name, inner)
    inner = relu(inner)
    for name in ("conv2", "norm2"):
        inner = walk.child(module, name, inner)
    return relu(inner + walk.child(module, "shortcut", read))


def _varied(module: nn.Module, read: Moments, variance: Callable[[Tensor], Tensor]) -> Moments:
    """Return what a module that is linear in its inputs makes of the mean, and this of the variance."""
    return Moments(module(read.mean), None if read.variance is None else variance(read.variance))


def _linear(_walk: Propagation, module: Any, read: Moments) -> Moments:  # noqa: ANN401  a layer's own fields
    return _varied(module, read, lambda v: functional.linear(v, module.weight.square()))


def _conv2d(_walk: Propagation, module: Any, read: Moments) -> Moments:  # noqa: ANN401
    return _varied(module, read, lambda v: module._conv_forward(v, module.weight.square(), None))


def _norm(_walk: Propagation, module: Any, read: Moments) -> Moments:  # noqa: ANN401
    """Scale by the statistics of the mean: those of the batch in training, the running ones in use."""
    rest = [axis for axis in range(read.mean.dim()) if axis != 1]
    by_batch = module.training or module.running_var is None
    square = read.mean.float().var(rest, correction=0) if by_batch else module.running_var
    gain = 1.0 if module.weight is None else module.weight.square()
    shape = (1, -1) + (1,) * (read.mean.dim() - 2)
    return _varied(module, read, lambda v: v * (gain / (square + module.eps)).reshape(shape))


def _pool(_walk: Propagation, module: Any, read: Moments) -> Moments:  # noqa: ANN401
    """Divide the mean of the variances by the places of its window, which may differ in size."""
    if isinstance(module, nn.AvgPool2d) and (module.padding not in {0, (0, 0)} or module.ceil_mode):
        raise NeedsError(
            "The closed form knows average pools without padding and ceil_mode. Use mode='sampled'."
        )

    def averaged(variance: Tensor) -> Tensor:
        pooled = module(variance)
        if isinstance(module, nn.AvgPool2d):
            sides = module.kernel_size if isinstance(module.kernel_size, tuple) else (module.kernel_size,) * 2
            return pooled / (sides[0] * sides[1])
        high, wide = starmap(_windows, zip(variance.shape[-2:], pooled.shape[-2:], strict=True))
        return pooled / (high[:, None] * wide).to(pooled)

    return _varied(module, read, averaged)


def _windows(size: int, count: int) -> Tensor:
    """Return how many places each window of an adaptive pool covers along one axis."""
    place = torch.arange(count)
    return -(-(place + 1) * size // count) - place * size // count


def _standardize(_walk: Propagation, module: Any, read: Moments) -> Moments:  # noqa: ANN401
    return _varied(module, read, lambda v: v / module.std.square())


def _reshaped(_walk: Propagation, module: nn.Module, read: Moments) -> Moments:
    return _varied(module, read, module)


def _relu(_walk: Propagation, _module: nn.Module, read: Moments) -> Moments:
    return relu(read)


Rule = Callable[[Propagation, Any, Moments], Moments]
RULES: Mapping[type[nn.Module], Rule] = MappingProxyType(
    {
        nn.Sequential: _sequential,
        Residual: _residual,
        nn.Linear: _linear,
        nn.Conv2d: _conv2d,
        nn.BatchNorm1d: _norm,
        nn.BatchNorm2d: _norm,
        nn.ReLU: _relu,
        nn.AvgPool2d: _pool,
        nn.AdaptiveAvgPool2d: _pool,
        nn.Flatten: _reshaped,
        nn.Identity: _reshaped,
        Standardize: _standardize,
    }
)
