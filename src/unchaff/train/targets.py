"""Losses that look beyond the given label: they are handed to a phase of training."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from unchaff.errors import ConfigError
from unchaff.samples import Batch


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
        own = functional.cross_entropy(outputs.float(), batch.labels, reduction="none")  # -log p
        return own if self.q == 0 else -torch.expm1(-self.q * own) / self.q


@dataclass(frozen=True)
class EarlyLearning:
    """Early-learning regularisation: the network is held to what it said before.

    Source: Liu et al., arXiv 2007.00151, equations 6 and 9, without mixup; the targets start from zero.
    """

    memory: Float[Tensor, "n classes"]  # targets by row, updated in place
    decay: float = 0.7
    strength: float = 3.0

    @staticmethod
    def over(samples: int, classes: int, device: torch.device) -> "EarlyLearning":
        """Return the loss with nothing remembered yet."""
        return EarlyLearning(torch.zeros(samples, classes, device=device))

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
