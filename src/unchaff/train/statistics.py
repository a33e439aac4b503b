"""Statistics of normalisations, measured again on a network that changed otherwise."""

import time

import torch
from torch import nn

from unchaff.copies import copied
from unchaff.nets import flops
from unchaff.nets.hooks import in_eval_mode
from unchaff.records import Cost
from unchaff.samples import Samples
from unchaff.streams import Streams

ENOUGH = 5000  # samples


def resettled(
    model: nn.Module, samples: Samples, *, size: int, streams: Streams, name: str
) -> tuple[nn.Module, Cost]:
    """Return a copy whose batch normalisations hold the statistics of these inputs, and what it took.

    They are means over the batches of one pass, over 5,000 samples at most. Those that their owner froze
    stay.
    """
    settled = copied(model)
    norms = _learning(settled)
    if not norms:
        return settled, Cost()
    started = time.perf_counter()
    rows = torch.from_numpy(streams.per_id(name, samples.ids).argsort()[:ENOUGH])
    size = min(size, len(rows))
    with in_eval_mode(settled), torch.no_grad():
        was = [norm.momentum for norm in norms]
        for norm in norms:
            norm.reset_running_stats()
            norm.train()
            norm.momentum = None  # the plain mean over batches
        for batch in samples.batches(size, rows[: len(rows) // size * size]):
            settled(batch.inputs)
        for norm, momentum in zip(norms, was, strict=True):
            norm.momentum = momentum
    spent = settling_cost(model, samples)
    return settled, Cost(time.perf_counter() - started, spent.samples_seen, spent.flops).as_stage(name)


def settling_cost(model: nn.Module, samples: Samples) -> Cost:
    """Return what it will take, without the time."""
    seen = min(len(samples), ENOUGH) if _learning(model) else 0
    return Cost(samples_seen=seen, flops=seen * flops.forward(model, next(samples.batches(2)).inputs))


def _learning(model: nn.Module) -> list[nn.modules.batchnorm._BatchNorm]:
    return [
        module
        for module in model.modules()
        if isinstance(module, nn.modules.batchnorm._BatchNorm)
        and module.running_mean is not None
        and (module.weight is None or module.weight.requires_grad)
    ]
