"""Counts of latent against given labels, the transition they make, and how far one batch can move it.

Source: Yao et al., arXiv 2302.09595. Rows are latent (true) labels, columns given ones.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional


def first_transition(
    probabilities: Float[Tensor, "n classes"], labels: Int[Tensor, " n"]
) -> Float[Tensor, "classes classes"]:
    """Return what a network makes of the given labels: phi0[k, j] = sum of p_k over t = j / sum of p_k."""
    soft = probabilities.double()
    joint = soft.T @ functional.one_hot(labels, soft.shape[1]).double()
    return joint / joint.sum(1, keepdim=True).clamp_min(torch.finfo(torch.float64).tiny)


def counted(
    latent: Int[Tensor, " n"], labels: Int[Tensor, " n"], classes: int
) -> Float[Tensor, "classes classes"]:
    """Return how many samples have each latent and each given label."""
    cells = torch.bincount(latent * classes + labels, minlength=classes * classes)
    return cells.view(classes, classes).double()


def transition_of(counts: Float[Tensor, "classes classes"], alpha: float) -> Float[Tensor, "classes classes"]:
    """Return the transition under a Dirichlet prior of so many counts in each cell."""
    return (counts + alpha) / (counts + alpha).sum(1, keepdim=True)


def latent_posterior(
    log_probabilities: Float[Tensor, "b classes"],
    labels: Int[Tensor, " b"],
    transition: Float[Tensor, "classes classes"],
) -> Float[Tensor, "b classes"]:
    """Return P(latent = k | x, t), which is proportional to p_k(x) phi[k, t]."""
    return (log_probabilities.double() + transition[:, labels].T.log()).softmax(1)


@dataclass(frozen=True)
class Move:
    """How far new counts move the transition, summed over its cells, and how far they can at most."""

    length: Float[Tensor, ""]
    bound: Float[Tensor, ""]


def moved(
    counts: Float[Tensor, "classes classes"], change: Float[Tensor, "classes classes"], alpha: float
) -> Move:
    """Return the move of the transition and its bound, the safeguard.

    With S_k the mass of row k before, rho_k its change over S_k and r_k that of its cells, without signs,
    over S_k: the sum over k of (|rho_k| + r_k) / (1 + rho_k).
    """
    mass = (counts + alpha).sum(1)
    net, gross = change.sum(1) / mass, change.abs().sum(1) / mass
    length = (transition_of(counts + change, alpha) - transition_of(counts, alpha)).abs().sum()
    return Move(length, ((net.abs() + gross) / (1 + net)).sum())
