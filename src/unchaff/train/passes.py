"""One pass of a network over all samples, as it is in use: its logits, or what its last layer reads."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from unchaff import progress
from unchaff.nets import flops
from unchaff.nets.head import Head
from unchaff.nets.hooks import ended_before, in_eval_mode, read_inputs
from unchaff.nets.looking import looked_at
from unchaff.records import Cost
from unchaff.samples import Batch, Samples
from unchaff.train.augment import view

AT_ONCE = 512  # samples


@dataclass(frozen=True)
class Pass:
    """What one pass gave, in canonical order, on the device of the samples."""

    rows: Float[Tensor, "n _"]
    cost: Cost


def logits_of(model: nn.Module, samples: Samples, *, name: str, shown: str = "plain") -> Pass:
    """Return the logits of all samples (n, classes).

    Args:
        model: not modified; runs in evaluation mode.
        samples: looked at once.
        name: of the stage.
        shown: `plain`, or `mirror` for the mirror image.
    """

    def look(batch: Batch) -> Tensor:
        return model(view(batch.inputs, shown)).float()

    return _passed(model, samples, look, name=name)


def features_of(
    model: nn.Module,
    samples: Samples,
    head: Head,
    *,
    name: str,
    shown: str = "plain",
    change: Callable[[Tensor], Tensor] | None = None,
) -> Pass:
    """Return what the last layer reads of all samples (n, width).

    Arguments as for `logits_of`; `change` makes of each batch what is looked at instead of it.
    """

    def look(batch: Batch) -> Tensor:
        inputs = view(batch.inputs, shown) if change is None else change(batch.inputs)
        with read_inputs(model, [head.name]) as seen, ended_before(model, head.name):
            model(inputs)
        return seen[head.name].float()

    return _passed(model, samples, look, name=name, until=head.name)


def _passed(
    model: nn.Module,
    samples: Samples,
    look: Callable[[Batch], Tensor],
    *,
    name: str,
    until: str | None = None,
) -> Pass:
    started, rows = time.perf_counter(), []
    with in_eval_mode(model), torch.no_grad(), progress.stage(name, len(samples)) as stage:
        for each in looked_at(samples, look, size=AT_ONCE, name=name):
            rows.append(each)
            stage.advance(len(each))
    per_sample = flops.forward(model, next(samples.batches(2)).inputs, until=until)
    cost = Cost(
        seconds=time.perf_counter() - started, samples_seen=len(samples), flops=per_sample * len(samples)
    )
    return Pass(torch.cat(rows), cost.as_stage(name))
