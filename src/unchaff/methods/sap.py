"""One change of the weights: what trusted samples hardly use is scaled down."""

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from unchaff.attribute.readout import Readout
from unchaff.copies import copied
from unchaff.errors import ConfigError
from unchaff.interfaces import Attributor, Partitioner
from unchaff.methods.divided import divided
from unchaff.methods.validation import validation_of
from unchaff.nets.flops import forward
from unchaff.nets.grams import Moments, projectable, scaled_to, summed
from unchaff.nets.hooks import in_eval_mode
from unchaff.nets.looking import looked_at
from unchaff.partition.transition import Transition
from unchaff.records import Cost, Observed, Outcome, Trained
from unchaff.samples import Batch, Samples
from unchaff.streams import Streams
from unchaff.train.passes import logits_of

ALPHAS = (1e6, 3e5, 1e5, 3e4, 1e4, 3e3, 1e3, 3e2, 1e2, 3e1, 1e1)  # from the gentlest on
WITHOUT_HOLDOUT = 1e5  # in the middle of what the authors try on photographs
AT_ONCE = 64  # samples
EIGEN = 9.0  # operations of an eigendecomposition, times the cube of the width


@dataclass(frozen=True, kw_only=True)
class Sap:
    """Scaled activation projection: W becomes W U diag(l) U^T in every linear and convolution layer.

    U are the directions of what the layer reads of trusted samples, v the share of each in its energy,
    and l = alpha v / ((alpha - 1) v + 1). Trusted are the kept samples of lowest loss. Biases and
    normalisations stay. How gentle to be is chosen on the reference or else the noisy hold-out, among
    `alphas` and no change at all; where there is neither it is 1e5.

    Source: Kodge et al., arXiv 2403.08618, and their code; the projection of inputs, on the trusted part
    alone. They search four to five values of alpha on held-out noisy labels; a wider search is ours, for
    small networks, and so is the fixed value.
    """

    attribute: Attributor = field(default_factory=Readout)
    partition: Partitioner = field(default_factory=Transition)
    trusted: int = 1000  # samples, at most
    alpha: float | None = None  # infinite: no change; None: chosen
    alphas: tuple[float, ...] = ALPHAS
    cites: ClassVar[tuple[str, ...]] = ("kodge2025sap",)

    @property
    def chooses(self) -> bool:
        """Whether it makes use of samples known to be right."""
        return self.alpha is None

    def __post_init__(self) -> None:
        least = min((*self.alphas, math.inf if self.alpha is None else self.alpha))
        if least <= 0 or self.trusted < 1:
            raise ConfigError(
                f"alpha must be above 0 and trusted at least 1, got {least:g} and {self.trusted}. "
                "The paper tries 1e4 to 1e6, with 1000 trusted samples."
            )

    def __call__(self, trained: Trained, observed: Observed, *, streams: Streams) -> Outcome:
        """Project a copy."""
        parts = divided(self, trained, observed, streams=streams)
        if parts.is_whole:
            return parts.untouched(trained)
        losses = logits_of(trained.model, parts.kept, name="losses")
        own = trained.task.loss(losses.rows, parts.kept.labels).cpu()
        samples = parts.kept.at(own.argsort(stable=True)[: self.trusted].sort().values.numpy())
        space = trusted_space(trained.model, samples)
        cost = losses.cost + space.cost
        validation, called = validation_of(observed)
        if self.alpha is not None or validation is None:
            alpha = WITHOUT_HOLDOUT if self.alpha is None else self.alpha
            model, projecting = space.projected(trained.model, alpha)
            return parts.outcome(model, cost + projecting, f"alpha was {alpha:g}.")
        best, found, alpha = trained.model, -1.0, math.inf
        for each in (math.inf, *self.alphas):
            model, projecting = space.projected(trained.model, each)
            agreed, looking = agreement(trained, model, validation)
            cost = cost + projecting + looking
            if agreed > found:
                best, found, alpha = model, agreed, each
        note = f"alpha {alpha:g} was the best on {called} ({found:.1%})."
        return parts.outcome(best, cost, note)


@dataclass(frozen=True)
class Space:
    """The directions each layer reads of trusted samples, and the share of each in its energy."""

    bases: Mapping[str, Float[Tensor, "groups width width"]]
    shares: Mapping[str, Float[Tensor, "groups width"]]
    cost: Cost

    def _flops(self, model: nn.Module) -> float:
        """Return the operations of a projection: every weight by two square matrices of its inputs."""
        return sum(
            4.0 * model.get_parameter(f"{name}.weight").numel() * shares.shape[-1]
            for name, shares in self.shares.items()
        )

    def projected(self, model: nn.Module, alpha: float) -> tuple[nn.Module, Cost]:
        """Return a copy with scaled weights, and what that took."""
        model, started = copied(model), time.perf_counter()
        with torch.no_grad():
            for name, basis in self.bases.items():
                weight = model.get_parameter(f"{name}.weight")
                weight.copy_(scaled_to(weight, basis, scales(self.shares[name], alpha)))
        cost = Cost(seconds=time.perf_counter() - started, flops=self._flops(model))
        return model, cost.as_stage("project")


def scales(shares: Float[Tensor, "*n"], alpha: float) -> Float[Tensor, "*n"]:
    """Return alpha v / ((alpha - 1) v + 1): 1 for what holds all the energy, 0 for what is not used."""
    return torch.ones_like(shares) if math.isinf(alpha) else alpha * shares / ((alpha - 1) * shares + 1)


def trusted_space(model: nn.Module, samples: Samples) -> Space:
    """Run the network over trusted samples once, and take apart what each layer reads."""
    started = time.perf_counter()
    example = next(samples.batches(2)).inputs
    names = projectable(model, example)
    moments = Moments()

    def look(batch: Batch) -> Moments:
        with summed(model, names) as found:
            model(batch.inputs)
        return found

    with in_eval_mode(model), torch.no_grad():
        for found in looked_at(samples, look, size=AT_ONCE, name="trusted"):
            moments = moments + found
    bases, shares, flops = {}, {}, len(samples) * forward(model, example) + moments.flops
    for name, sums in moments.sums.items():
        energy, bases[name] = torch.linalg.eigh(sums)
        energy = energy.clamp_min(0)
        shares[name] = energy / energy.sum(1, keepdim=True).clamp_min(1e-30)
        flops += EIGEN * sums.shape[0] * sums.shape[1] ** 3
    cost = Cost(time.perf_counter() - started, len(samples), flops).as_stage("trusted")
    return Space(bases, shares, cost)


def agreement(trained: Trained, model: nn.Module, holdout: Samples) -> tuple[float, Cost]:
    """Return how often the network says the label as given, and what looking took."""
    said = logits_of(model, holdout, name="validation")
    right = trained.task.predict(said.rows) == holdout.labels
    return float(right.double().mean()), said.cost
