"""Gradient times activation of one hidden layer, as published and with the label in it."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from unchaff import progress
from unchaff.errors import ConfigError, NeedsError
from unchaff.filled import Filled
from unchaff.nets import flops
from unchaff.nets.hooks import in_eval_mode
from unchaff.nets.looking import looked_at
from unchaff.nets.taps import Layer, find_layers, prunable
from unchaff.records import Cost, Evidence, Observed, Trained
from unchaff.samples import Batch, Samples
from unchaff.streams import Streams

Jacobian = Float[Tensor, "classes b units"]  # of the logits by the layer's output
AGGREGATES: Mapping[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = MappingProxyType(
    {
        "max": lambda jacobian, _logits, _labels: jacobian.amax(0),
        "mean": lambda jacobian, _logits, _labels: jacobian.mean(0),
        "own": lambda jacobian, _logits, labels: jacobian[labels, torch.arange(len(labels))],
        "loss": lambda jacobian, logits, labels: torch.einsum(
            "bc,cbj->bj", logits.softmax(1) - functional.one_hot(labels, logits.shape[1]), jacobian
        ),
    }
)


@dataclass(frozen=True, kw_only=True)
class Published:
    """Absolute attribution of the last hidden layer's units, |aggregate of gradients times output|.

    `max` is the published one: the gradient cancels when it is standardised, so it cannot see a wrong
    label that the network has not learned by heart. `loss` uses the gradient of the sample's own loss
    instead.

    Source: arXiv 2506.11615 and its code; `loss` is ours.
    """

    aggregate: str = "max"  # one of AGGREGATES

    def __post_init__(self) -> None:
        if self.aggregate not in AGGREGATES:
            raise ConfigError(f"aggregate must be one of {', '.join(AGGREGATES)}, got {self.aggregate!r}.")

    def __call__(self, trained: Trained, observed: Observed, *, streams: Streams) -> Evidence:
        """Return one attribution per unit; `total` is their sum, negative for `loss` (higher is better)."""
        started = time.perf_counter()
        samples, model = observed.train, trained.model
        layer = target_layer(trained, samples)
        example = next(samples.batches(2)).inputs
        each = flops.of(lambda probe, inputs: head_jacobian(probe, layer.name, inputs), model, example)

        def attribution(batch: Batch) -> Tensor:
            jacobian, output, logits = head_jacobian(model, layer.name, batch.inputs)
            gradient = AGGREGATES[self.aggregate](jacobian, logits, batch.labels)
            return (gradient * output).abs().cpu()

        found = Filled(len(samples))
        with progress.stage("score", len(samples)) as shown, in_eval_mode(model):
            for part in looked_at(samples, attribution, size=256, name="score"):
                found.add(part)
                shown.advance(len(part))
        units = found.rows
        total = units.sum(1) * (-1 if self.aggregate == "loss" else 1)
        cost = Cost(time.perf_counter() - started, len(samples), each * len(samples))
        return Evidence(
            ids=samples.ids,
            labels=samples.labels.cpu(),
            total=total,
            columns={f"attribution_{self.aggregate}": total},
            units={layer.name: units},
            cost=cost.as_stage("score"),
        )


def target_layer(trained: Trained, samples: Samples) -> Layer:
    """Return the last hidden linear layer.

    Raises:
        NeedsError: the network has none that reads one row of numbers per sample.
    """
    layers = find_layers(trained.model, next(samples.batches(2)).inputs)
    hidden = [
        layer
        for layer in prunable(layers, trained.model)
        if isinstance(trained.model.get_submodule(layer.name), nn.Linear)
    ]
    if not hidden or len(hidden[-1].input_shape) != 1:
        raise NeedsError(
            "The published method needs a hidden linear layer before the output that reads one row of "
            "numbers per sample, and the network has none. Use --method unlearn, or a network with a "
            "256-unit head such as resnet18."
        )
    return hidden[-1]


def head_jacobian(model: nn.Module, name: str, inputs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the gradients of all logits by one layer's output, that output, and the logits.

    The backward pass ends at the layer, so only the head above it is walked, once per class.
    """
    held: list[Tensor] = []

    def cut(_module: nn.Module, _inputs: object, output: Tensor) -> Tensor:
        held.append(output.detach().requires_grad_().clone())  # no leaf: torch counts with none
        return held[-1]

    handle = model.get_submodule(name).register_forward_hook(cut)
    try:
        with torch.enable_grad():
            logits = model(inputs)
    finally:
        handle.remove()
    rows = [
        torch.autograd.grad(logits[:, index].sum(), held[0], retain_graph=index + 1 < logits.shape[1])[0]
        for index in range(logits.shape[1])
    ]
    return torch.stack(rows).float(), held[0].detach().float(), logits.detach().float()
