"""Silence the units the loss on kept samples depends on least."""

import time
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from unchaff.copies import copied
from unchaff.nets import flops
from unchaff.nets.hooks import in_eval_mode
from unchaff.nets.taps import Layer
from unchaff.prune.activations import check, last_layers, worst_units
from unchaff.records import Cost, Observed, Partition, PrunePlan, Trained
from unchaff.samples import Batch
from unchaff.streams import Streams


@dataclass(frozen=True, kw_only=True)
class HessianDiagonal:
    """Hutchinson's estimate of the diagonal of the Hessian, times the squared weight, summed per unit.

    A compression baseline: it does not look at the noise.

    Source: LeCun et al. 1989 for the saliency; the published code fails, and repaired it would
    use absolute row sums of the Hessian. We average v * Hv over Rademacher v.
    """

    share: float = 0.05
    layers: float = 0.34
    probes: int = 4  # Rademacher vectors a batch
    limit: int = 512  # kept samples to look at

    def __post_init__(self) -> None:
        check(self.share, self.layers)

    def __call__(
        self, trained: Trained, observed: Observed, partition: Partition, *, streams: Streams
    ) -> PrunePlan:
        """Plan."""
        started = time.perf_counter()
        draw = streams.per_id("prune", partition.ids)[partition.kept.numpy()]
        ids = partition.kept_ids[draw.argsort(kind="stable")[: self.limit]]
        samples = observed.train.select(ids)
        layers = last_layers(trained, samples, self.layers)
        model = copied(trained.model).requires_grad_()  # also what the caller has frozen
        weights = weights_of(model, layers)
        sums: list[Tensor] = [torch.zeros_like(weight) for weight in weights]
        generator = streams("prune/hessian", samples.device)
        with in_eval_mode(model):
            for batch in samples.batches(128):
                loss = trained.task.loss(model(batch.inputs), batch.labels).sum()
                found = diagonals(loss, weights, self.probes, generator)
                sums = [total + diagonal for total, diagonal in zip(sums, found, strict=True)]
        scores = {
            layer.name: 1 / saliency(weight, total).clamp_min(1e-12)
            for layer, weight, total in zip(layers, weights, sums, strict=True)
        }
        counted = streams("prune/hessian/count", samples.device)
        each = self._flops(trained, layers, next(samples.batches(1)), counted)
        cost = Cost(samples_seen=len(samples), flops=each * len(samples)).as_stage("prune")
        cost = cost + Cost.since(started, "prune")
        return worst_units(scores, self.share, "Least curvature of the loss on kept samples.", cost)

    def _flops(self, trained: Trained, layers: list[Layer], one: Batch, generator: torch.Generator) -> float:
        """Return the operations of one sample: a pass, its gradient, and a product with each probe."""

        def look(probe: nn.Module, inputs: Tensor) -> None:
            probe.requires_grad_()
            loss = trained.task.loss(probe(inputs), one.labels.expand(len(inputs))).sum()
            diagonals(loss, weights_of(probe, layers), self.probes, generator)

        return flops.of(look, trained.model, one.inputs)


def weights_of(model: nn.Module, layers: list[Layer]) -> list[nn.Parameter]:
    """Return the weight of each layer."""
    return [model.get_parameter(f"{layer.name}.weight") for layer in layers]


def saliency(weight: Tensor, diagonal: Tensor) -> Tensor:
    """Return half the squared weights times the curvature, summed over each unit's row."""
    return (0.5 * weight.detach().square() * diagonal.clamp_min(0)).flatten(1).sum(1).cpu()


def diagonals(
    loss: Tensor, weights: list[nn.Parameter], probes: int, generator: torch.Generator
) -> list[Tensor]:
    """Return Hutchinson estimates of the Hessian's diagonal for each weight."""
    gradients = torch.autograd.grad(loss, weights, create_graph=True)
    found = [torch.zeros_like(weight) for weight in weights]
    for _ in range(probes):
        signs = [
            torch.randint(0, 2, weight.shape, generator=generator, device=weight.device) * 2.0 - 1.0
            for weight in weights
        ]
        products = torch.autograd.grad(gradients, weights, grad_outputs=signs, retain_graph=True)
        found = [
            total + sign * product / probes
            for total, sign, product in zip(found, signs, products, strict=True)
        ]
    return found
