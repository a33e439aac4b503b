"""Losses that look beyond the given label: they are handed to a phase of training."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from unchaff.errors import ConfigError
from unchaff.samples import Batch
from unchaff.train.tutor import Tutor


@dataclass(frozen=True)
class Weighted:
    """Cross-entropy of the given label, each sample with its weight, of mean one."""

    weights: Float[Tensor, " n"]  # by row

    def __call__(self, outputs: Tensor, batch: Batch) -> Float[Tensor, " b"]:
        """Return the weighted loss of each sample, in nats."""
        loss = functional.cross_entropy(outputs.float(), batch.labels, reduction="none")
        rows = torch.from_numpy(batch.rows).to(self.weights.device)
        return loss * (self.weights[rows] / self.weights.mean())


@dataclass(frozen=True)
class Generalised:
    """Between cross-entropy and the mean absolute error: (1 - p^q) / q of the given label.

    Source: Zhang and Sabuncu, arXiv 1805.07836, equation 6.
    """

    q: float = 0.7

    def __post_init__(self) -> None:
        if not 0 <= self.q <= 1:
            raise ConfigError(f"q must be in [0, 1], got {self.q}. 0 is cross-entropy.")

    def __call__(self, outputs: Tensor, batch: Batch) -> Float[Tensor, " b"]:
        """Return the loss of each sample; in nats where q is 0."""
        return generalised(outputs, batch.labels, self.q)


def generalised(
    outputs: Float[Tensor, "b outputs"], labels: Int[Tensor, " b"], q: float
) -> Float[Tensor, " b"]:
    """Return (1 - p^q) / q of the label of each sample, and -log p where q is 0."""
    own = functional.cross_entropy(outputs.float(), labels, reduction="none")  # -log p
    return own if q == 0 else -torch.expm1(-q * own) / q


@dataclass(frozen=True)
class Symmetric:
    """Cross-entropy of the given label, and the reverse one, in which the label stands inside the logarithm.

    The reverse one is -A (1 - p) of the given label, with A in place of log 0: the mean absolute error but
    for a factor.

    Source: Wang et al., arXiv 1908.06112, equations 5 and 7.
    """

    alpha: float = 0.1  # weight of the cross-entropy
    beta: float = 1.0  # weight of the reverse one
    log_zero: float = -4.0  # A

    def __post_init__(self) -> None:
        if min(self.alpha, self.beta) < 0 or self.alpha + self.beta == 0:
            raise ConfigError(
                f"alpha and beta must be 0 or more, not both 0, got {self.alpha} and {self.beta}. "
                "beta=0 is cross-entropy."
            )
        if self.log_zero >= 0:
            raise ConfigError(f"log_zero must be below 0, got {self.log_zero}. The paper has -4.")

    def __call__(self, outputs: Tensor, batch: Batch) -> Float[Tensor, " b"]:
        """Return the loss of each sample."""
        own = functional.cross_entropy(outputs.float(), batch.labels, reduction="none")  # -log p
        return self.alpha * own + self.beta * self.log_zero * torch.expm1(-own)


@dataclass(frozen=True)
class Transferred:
    """Cross-entropy of the given label after the predictions went through a noise transition.

    Source: Patrini et al., arXiv 1609.03683, theorem 2 (forward correction).
    """

    log_transition: Float[Tensor, "classes classes"]  # of true class (row) to given label (column)

    def __call__(self, outputs: Tensor, batch: Batch) -> Float[Tensor, " b"]:
        """Return the loss of each sample, in nats; outputs beyond the classes are never a true class."""
        classes = len(self.log_transition)
        said = outputs.float().log_softmax(1)[:, :classes]
        return -torch.logsumexp(said + self.log_transition.T[batch.labels], dim=1)


class EarlyLearning(Tutor):
    """Early-learning regularisation: the network is held to what it said before.

    Source: Liu et al., arXiv 2007.00151, equations 6 and 9, without mixup; the targets start from zero.
    """

    kept = ("memory",)

    def __init__(
        self, memory: Float[Tensor, "n classes"], *, decay: float = 0.7, strength: float = 3.0
    ) -> None:
        super().__init__()
        self.memory, self.decay, self.strength = memory, decay, strength  # targets by row, changed in place

    @staticmethod
    def over(
        samples: int, classes: int, device: torch.device, *, decay: float = 0.7, strength: float = 3.0
    ) -> "EarlyLearning":
        """Return the loss with nothing remembered yet."""
        return EarlyLearning(torch.zeros(samples, classes, device=device), decay=decay, strength=strength)

    def __call__(self, outputs: Tensor, batch: Batch) -> Float[Tensor, " b"]:
        """Return cross-entropy plus the regulariser of each sample."""
        logits = outputs.float()
        said = logits.softmax(1).clamp(1e-4, 1 - 1e-4)
        rows = torch.from_numpy(batch.rows).to(self.memory.device)
        with torch.no_grad():
            fresh = said / said.sum(1, keepdim=True)
            self.memory[rows] = self.decay * self.memory[rows] + (1 - self.decay) * fresh
        agreement = (self.memory[rows] * said).sum(1)
        plain = functional.cross_entropy(logits, batch.labels, reduction="none")
        return plain + self.strength * (1 - agreement).log()


@dataclass(frozen=True)
class Distilled:
    """Cross-entropy of the given label, and the divergence from what a teacher says of the sample.

    Source: Hinton et al., arXiv 1503.02531, section 2: both softened by the temperature T, and the
    divergence KL(teacher || student) times T squared.
    """

    taught: Float[Tensor, "n classes"]  # logits of the teacher, by row
    temperature: float = 1.0
    own: float = 1.0  # weight of the cross-entropy
    divergence: float = 1.0  # weight of the divergence; below 0: away from the teacher

    def __call__(self, outputs: Tensor, batch: Batch) -> Float[Tensor, " b"]:
        """Return the loss of each sample, in nats."""
        logits = outputs.float()
        rows = torch.from_numpy(batch.rows).to(self.taught.device)
        said = (logits / self.temperature).log_softmax(1)
        taught = (self.taught[rows].float() / self.temperature).log_softmax(1)
        apart = functional.kl_div(said, taught, reduction="none", log_target=True).sum(1)
        plain = functional.cross_entropy(logits, batch.labels, reduction="none")
        return self.own * plain + self.divergence * self.temperature**2 * apart
