"""What taking units out saves: parameters, operations, and time, of the network before and after."""

import time
from dataclasses import dataclass
from statistics import median

import torch
from torch import Tensor, nn

from unchaff.nets import flops
from unchaff.nets.hooks import in_eval_mode

BATCH = 64  # samples that are timed at once
TURNS = 15  # both networks in turns; the median of each counts


@dataclass(frozen=True)
class Size:
    """Of one network."""

    parameters: int
    flops: float  # of one sample, forward

    @classmethod
    def of(cls, model: nn.Module, example: Tensor) -> "Size":
        """Count; `example` is a prepared batch whose values do not matter."""
        return cls(sum(each.numel() for each in model.parameters()), flops.forward(model, example))


def said(before: nn.Module, after: nn.Module, example: Tensor) -> str:
    """Return what became smaller, such as "120,000 -> 80,000 parameters (-33 %)", without a full stop."""
    was, now = Size.of(before, example), Size.of(after, example)
    return (
        f"{was.parameters:,} -> {now.parameters:,} parameters ({_change(was.parameters, now.parameters)}), "
        f"{was.flops / 1e6:.3g} -> {now.flops / 1e6:.3g} million operations a sample "
        f"({_change(was.flops, now.flops)})"
    )


def timed(before: nn.Module, after: nn.Module, example: Tensor) -> str:
    """Return how long both networks take for one batch, measured side by side, without a full stop."""
    batch = example.repeat_interleave(-(-BATCH // len(example)), dim=0)[:BATCH]
    seconds: tuple[list[float], list[float]] = ([], [])
    with in_eval_mode(before), in_eval_mode(after), torch.no_grad():
        for _ in range(TURNS):
            for model, taken in zip((before, after), seconds, strict=True):
                begun = time.perf_counter()
                model(batch)
                taken.append(time.perf_counter() - begun)
    was, now = (1000 * median(each) for each in seconds)
    return f"{was:.3g} -> {now:.3g} ms for {BATCH} samples ({_change(was, now)})"


def _change(was: float, now: float) -> str:
    return f"{now / was - 1:+.0%}".replace("%", " %")
