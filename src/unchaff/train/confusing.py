"""Confusing instances, whose label says nothing of their class: the steps that find them.

P(t | y, x) = (1 - eta) [y = t] + eta psi, with eta the probability that the instance is confusing and
psi = P(t | x), which a first network says.

Source: Wang et al., arXiv 2101.05467.
"""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor

ALMOST = 1e-5  # eta is divided by no less, and a likelihood is no less, as in the authors' code


def true_posterior(
    log_probabilities: Float[Tensor, "b classes"],
    labels: Int[Tensor, " b"],
    eta: Float[Tensor, " b"],
    psi: Float[Tensor, " b"],
    *,
    floor: float = ALMOST,
) -> Float[Tensor, "b classes"]:
    """Return q: P(y = j | x, t), which is proportional to p_j(x) P(t | y = j, x). The E-step."""
    likelihood = (eta * psi)[:, None].expand_as(log_probabilities)
    own = (1 - eta + eta * psi)[:, None]
    likelihood = likelihood.scatter(1, labels[:, None], own).clamp_min(floor)
    return (log_probabilities + likelihood.log()).softmax(1)


def exact_eta(own: Float[Tensor, " b"], psi: Float[Tensor, " b"]) -> Float[Tensor, " b"]:
    """Return the eta that is most likely under the posterior `own` of the given label. The M-step."""
    return ((1 - own) / (1 - psi).clamp_min(torch.finfo(own.dtype).tiny)).clamp(0, 1)


def stepped_eta(
    own: Float[Tensor, " b"], psi: Float[Tensor, " b"], eta: Float[Tensor, " b"], *, rate: float
) -> Float[Tensor, " b"]:
    """Return eta after one step of the published rule, which takes psi for nearly 1 in its gradient."""
    slope = (1 - own) - own * eta * (1 - psi)
    return (eta + rate * slope / eta.clamp_min(ALMOST)).clamp(0, 1)


def softened(
    log_probabilities: Float[Tensor, "n classes"], labels: Int[Tensor, " n"], temperature: float
) -> Float[Tensor, " n"]:
    """Return the probability of each given label at a temperature; a high one moves all towards one of K."""
    soft = (log_probabilities / temperature).softmax(1)
    return soft.gather(1, labels[:, None]).squeeze(1)


def levelled(
    log_probabilities: Float[Tensor, "n classes"], labels: Int[Tensor, " n"], level: float
) -> Float[Tensor, " n"]:
    """Return them at the temperature at which their mean is nearest to a level, between 0.1 and 1000."""
    low, high = math.log(0.1), math.log(1000.0)
    for _ in range(40):
        middle = (low + high) / 2
        if float(softened(log_probabilities, labels, math.exp(middle)).double().mean()) > level:
            low = middle
        else:
            high = middle
    return softened(log_probabilities, labels, math.exp(high))
