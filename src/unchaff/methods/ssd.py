"""Dampen the weights that matter to the rejected samples far more than to all."""

import math
import time
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap

from unchaff.attribute.readout import Readout
from unchaff.copies import copied
from unchaff.errors import ConfigError
from unchaff.interfaces import Attributor, Partitioner
from unchaff.methods.divided import divided
from unchaff.nets.flops import count
from unchaff.nets.hooks import in_eval_mode
from unchaff.nets.looking import looked_at
from unchaff.partition.transition import Transition
from unchaff.records import Cost, Observed, Outcome, Trained
from unchaff.samples import Batch, Samples
from unchaff.streams import Streams
from unchaff.tasks import Task

ROOM = 20_000_000  # numbers: gradients of so many weights are held at once


@dataclass(frozen=True, kw_only=True)
class Ssd:
    """Selective synaptic dampening: two passes of gradients, and one change of the weights.

    A weight whose importance to the rejected part is above `alpha` times that to all data is multiplied
    by `dampening` times the ratio of the two, at most by 1. Importance is the diagonal of the Fisher
    information: the mean squared gradient of the loss of the given label. All data hold the rejected
    part, so that where it is larger than one `alpha`-th of them no weight can be chosen.

    Source: Foster, Schoepf and Brintrup, arXiv 2308.07707, algorithm 1. Gradients are of single samples,
    as the Fisher information has them; the published code squares mean gradients of batches, which
    cancel over all data and not over wrong labels.
    """

    attribute: Attributor = field(default_factory=Readout)
    partition: Partitioner = field(default_factory=Transition)
    alpha: float = 10.0  # how much more a weight must matter to the rejected part; infinite: none does
    dampening: float = 1.0  # lambda
    cites: ClassVar[tuple[str, ...]] = ("foster2024fast",)

    def __post_init__(self) -> None:
        if not (self.alpha > 0 and 0 < self.dampening < math.inf):
            raise ConfigError(
                f"alpha and dampening must be above 0, got {self.alpha:g} and {self.dampening:g}. "
                "The paper takes 10 and 1."
            )

    def __call__(self, trained: Trained, observed: Observed, *, streams: Streams) -> Outcome:
        """Dampen a copy."""
        parts = divided(self, trained, observed, streams=streams)
        if parts.is_whole:
            return parts.untouched(trained)
        of_all, looking = importance(trained, observed.train)
        of_rejected, again = importance(trained, parts.rejected)
        model = copied(trained.model)
        share = self.dampen(model, of_all, of_rejected)
        return parts.outcome(model, looking + again, f"{share:.2%} of the weights were dampened.")

    @torch.no_grad()
    def dampen(self, model: nn.Module, of_all: dict[str, Tensor], of_rejected: dict[str, Tensor]) -> float:
        """Dampen the weights in place, those that may learn; return the share of them that changed."""
        changed = total = 0
        for name, weight in model.named_parameters():
            if not weight.requires_grad:
                continue
            ours, theirs = of_all[name], of_rejected[name]
            chosen = theirs > self.alpha * ours
            weight[chosen] *= (self.dampening * ours[chosen] / theirs[chosen]).clamp(max=1).to(weight)
            changed, total = changed + int(chosen.sum()), total + weight.numel()
        return changed / max(1, total)


def importance(trained: Trained, samples: Samples) -> tuple[dict[str, Tensor], Cost]:
    """Return the mean squared gradient of each weight over the samples, each alone, and what that took."""
    started = time.perf_counter()
    model = copied(trained.model).requires_grad_(requires_grad=True)  # also what the caller has frozen
    sums = {name: torch.zeros_like(weight) for name, weight in model.named_parameters()}
    at_once = max(1, ROOM // sum(total.numel() for total in sums.values()))
    with in_eval_mode(model):
        for found in looked_at(
            samples, lambda batch: _squares(model, trained.task, batch), size=at_once, name="importance"
        ):
            sums = {name: total + found[name] for name, total in sums.items()}
    flops = count(model, next(samples.batches(2)).inputs).training * len(samples)
    cost = Cost(time.perf_counter() - started, len(samples), flops).as_stage("importance")
    return {name: total / len(samples) for name, total in sums.items()}, cost


def _squares(model: nn.Module, task: Task, batch: Batch) -> dict[str, Tensor]:
    """Return the squared gradients of the loss of each sample, summed over the batch."""
    weights = {name: weight.detach() for name, weight in model.named_parameters()}

    def loss(weights: dict[str, Tensor], one: Tensor, label: Tensor) -> Tensor:
        return task.loss(functional_call(model, weights, (one[None],)), label[None]).sum()

    try:
        found = vmap(grad(loss), in_dims=(None, 0, 0))(weights, batch.inputs, batch.labels)
    except torch.OutOfMemoryError:
        raise
    except (RuntimeError, ValueError, TypeError):  # not every network runs on many samples that way
        each = [grad(loss)(weights, *one) for one in zip(batch.inputs, batch.labels, strict=True)]
        found = {name: torch.stack([one[name] for one in each]) for name in weights}
    return {name: gradient.square().sum(0) for name, gradient in found.items()}
