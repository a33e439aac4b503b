"""What a network is for: loss per sample, prediction and score of the given label."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional


@runtime_checkable
class Task(Protocol):
    """How outputs and labels meet; methods go through it and never assume a loss."""

    @property
    def name(self) -> str:
        """Short name, for files and messages."""
        ...

    def loss(self, outputs: Tensor, labels: Tensor) -> Float[Tensor, " b"]:
        """Return the loss of each sample."""
        ...

    def predict(self, outputs: Tensor) -> Int[Tensor, " b"]:
        """Return the predicted label of each sample."""
        ...


@dataclass(frozen=True)
class Classification:
    """One label of several per sample; outputs are logits (b, classes)."""

    name: str = "classification"

    def loss(self, outputs: Tensor, labels: Tensor) -> Float[Tensor, " b"]:
        """Return the cross-entropy of each sample, in nats."""
        return functional.cross_entropy(outputs.float(), labels, reduction="none")

    def predict(self, outputs: Tensor) -> Int[Tensor, " b"]:
        """Return the class with the highest logit."""
        return outputs.argmax(dim=1)


CLASSIFICATION = Classification()


def margin(scores: Float[Tensor, "n classes"], labels: Int[Tensor, " n"]) -> Float[Tensor, " n"]:
    """Return the score of the given label minus the best other one; higher is more trustworthy."""
    own = scores.gather(1, labels[:, None])
    others = scores.scatter(1, labels[:, None], float("-inf"))
    return (own.squeeze(1) - others.amax(1)).float()


def are_probabilities(outputs: Float[Tensor, "n classes"]) -> bool:
    """Whether outputs are probabilities of several classes: none below 0, and every row sums to 1."""
    sums = outputs.float().sum(1)
    if outputs.shape[1] < 2 or not bool((outputs >= 0).all()):
        return False
    return bool(torch.isclose(sums, torch.ones_like(sums), atol=1e-3).all())
