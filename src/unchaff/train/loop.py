"""The only optimizer step."""

import copy
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from math import cos, pi

import torch
from torch import Tensor, nn

from unchaff import progress
from unchaff.errors import TrainingError
from unchaff.nets.flops import count
from unchaff.records import Cost
from unchaff.samples import Batch, Samples
from unchaff.streams import Streams
from unchaff.tasks import CLASSIFICATION, Task
from unchaff.train.augment import augment
from unchaff.train.optimizers import Optimizes, Sgd
from unchaff.train.recorder import Watcher


@dataclass(frozen=True, kw_only=True)
class Cosine:
    """Learning rate: a straight rise, then half a cosine to zero, over `steps` optimizer steps."""

    steps: int
    peak: float
    warmup: float = 0.2  # share of the steps in which the rate rises

    def __call__(self, step: int) -> float:
        rise = max(1.0, self.warmup * self.steps)
        if step < rise:
            return self.peak * (step + 1) / rise
        done = min(1.0, (step + 1 - rise) / max(1.0, self.steps - rise))
        return self.peak * 0.5 * (1 + cos(pi * done))


Loss = Callable[[Tensor, Batch], Tensor]  # outputs (b, classes) and their batch -> loss of each sample (b)


@dataclass(frozen=True, kw_only=True)
class Phase:
    """A stretch of training on one set of samples."""

    steps: int
    lr: Callable[[int], float]  # by the step counted from `first_step`
    first_step: int = 0  # where this phase lies on the schedule
    batch_size: int = 128
    optimizer: Optimizes = field(default_factory=Sgd)
    augment: bool = True
    side: int | None = None  # side of the pictures; None: full size
    average: float | None = None  # decay of the running mean of the weights, None: none is kept
    masks: Mapping[str, Tensor] = field(default_factory=dict)  # by parameter: held at zero where False
    trains: tuple[str, ...] | None = None  # modules that learn, by name, all else as in use; None: all
    holds: tuple[str, ...] = ()  # modules whose weights stay; their statistics follow the data
    task: Task = CLASSIFICATION
    loss: Loss | None = None  # None: that of the task on the given labels


@dataclass(frozen=True)
class Fitted:
    """The result of a phase."""

    model: nn.Module
    averaged: nn.Module  # running mean of the weights, or the model itself
    cost: Cost


def fit(
    model: nn.Module,
    samples: Samples,
    phase: Phase,
    *,
    streams: Streams,
    name: str = "fine-tune",
    watcher: Watcher | None = None,
) -> Fitted:
    """Train a copy of the network.

    Pictures that may be mirrored are shown as they are and mirrored in turns, epoch by epoch, which
    repeats less than drawing each time (Jordan, arXiv 2404.00498).

    Args:
        model: not modified.
        samples: what to learn from, with the labels as given.
        phase: how, and for how many optimizer steps.
        streams: order and augmentation; dropout of the network itself runs on a forked global RNG.
        name: shown as progress and used for the cost stage.
        watcher: sees the outputs of every batch and the network after every epoch, if given.

    Raises:
        TrainingError: the loss stopped being finite.
    """
    started = time.perf_counter()
    learner = copy.deepcopy(model).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = _prepare(learner, phase)
    average = _Average(learner, phase.average)
    generator = streams("augment", samples.device)
    first = torch.from_numpy(streams.per_id("mirror", samples.ids) < 0.5)
    epoch = 0
    batch_size = min(phase.batch_size, len(samples))
    shape: Tensor | None = None
    losses = torch.zeros((), device=samples.device)
    with progress.stage(name, phase.steps) as shown, streams.forked_global("train"):
        stream = _stream(samples, batch_size, phase.steps, streams, watcher)
        for step, (batch, ends_epoch) in enumerate(stream):
            inputs = batch.inputs
            if phase.augment:
                mirrored = (first[torch.from_numpy(batch.rows)] ^ bool(epoch % 2)).to(samples.device)
                inputs = (
                    augment(inputs, samples.kind, generator, side=phase.side, mirrored=mirrored)
                    if samples.augmentation is None
                    else samples.augmentation(inputs, generator)
                )
            for group in optimizer.param_groups:
                group["lr"] = phase.lr(phase.first_step + step)
            losses += _step(learner, optimizer, inputs, batch, phase, watcher)
            average.update()
            shape = inputs
            shown.advance()
            epoch += ends_epoch
            if ends_epoch and watcher is not None:
                watcher.end_epoch(learner)
    if not bool(torch.isfinite(losses)):
        raise TrainingError(
            f"The loss of {name!r} is no longer finite after {phase.steps} steps. "
            "Check the inputs with `unchaff doctor`, or train with a lower rate."
        )
    cost = _cost(learner, shape, phase.steps * batch_size, time.perf_counter() - started)
    for parameter, needs in zip(learner.parameters(), model.parameters(), strict=True):
        parameter.requires_grad_(needs.requires_grad)
    learner.zero_grad(set_to_none=True)
    return Fitted(learner, average.model(learner), cost.as_stage(name))


def _step(
    learner: nn.Module,
    optimizer: torch.optim.Optimizer,
    inputs: Tensor,
    batch: Batch,
    phase: Phase,
    watcher: Watcher | None,
) -> Tensor:
    if inputs.dim() == 4:
        inputs = inputs.contiguous(memory_format=torch.channels_last)
    with torch.autocast(inputs.device.type, torch.bfloat16, enabled=inputs.is_cuda):
        outputs = learner(inputs)
    each = phase.task.loss(outputs, batch.labels) if phase.loss is None else phase.loss(outputs, batch)
    loss = each.mean()
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()
    hold_masks(learner, phase.masks)
    if watcher is not None:
        watcher.see(batch.rows, outputs, batch.labels)
    return loss.detach()


@torch.no_grad()
def hold_masks(model: nn.Module, masks: Mapping[str, Tensor]) -> None:
    """Set masked weights back to exact zero, so that no optimizer step can revive a pruned unit."""
    if masks:
        parameters = dict(model.named_parameters())
        for name, mask in masks.items():
            parameters[name].mul_(mask)


def _prepare(learner: nn.Module, phase: Phase) -> torch.optim.Optimizer:
    learner.train()
    rest(learner)
    if phase.trains is not None:
        freeze_others(learner, phase.trains)
    hold_still(learner, phase.holds)
    hold_masks(learner, phase.masks)
    learning = [parameter for parameter in learner.parameters() if parameter.requires_grad]
    return phase.optimizer(learning, phase.lr(phase.first_step))


def rest(learner: nn.Module) -> None:
    """Keep the statistics of normalisations that their owner froze."""
    for module in learner.modules():
        frozen = [parameter.requires_grad for parameter in module.parameters(recurse=False)]
        if frozen and not any(frozen) and isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.eval()


def hold_still(learner: nn.Module, names: tuple[str, ...]) -> None:
    """Stop the gradients of the modules named, and nothing else."""
    for name in names:
        learner.get_submodule(name).requires_grad_(requires_grad=False)


def freeze_others(learner: nn.Module, trains: tuple[str, ...]) -> None:
    """Stop gradients, and batch-norm statistics, of every module not named."""
    learns = {parameter for parameter in learner.parameters() if parameter.requires_grad}
    learner.eval()
    learner.requires_grad_(requires_grad=False)
    modules = dict(learner.named_modules())
    for name in trains:
        modules[name].train()
        for parameter in modules[name].parameters():
            parameter.requires_grad_(parameter in learns)


def _stream(
    samples: Samples, size: int, steps: int, streams: Streams, watcher: Watcher | None
) -> Iterator[tuple[Batch, bool]]:
    """Yield batches, epoch after epoch in a new order, and whether a batch is the last of its epoch.

    An incomplete last batch is left out.
    """
    generator = streams("order")
    per_epoch = max(1, len(samples) // size)
    done = 0
    while done < steps:
        if watcher is not None:
            watcher.begin_epoch()
        here = min(per_epoch, steps - done)
        order = torch.randperm(len(samples), generator=generator)[: here * size]
        for place, batch in enumerate(samples.batches(size, order), start=1):
            yield batch, place == per_epoch
        done += here


class _Average:
    """Running mean of weights and statistics, for steadier scoring at a high learning rate."""

    def __init__(self, model: nn.Module, decay: float | None) -> None:
        self._live = model
        self._decay = decay
        self._steps = 0
        self._mean = None if decay is None else copy.deepcopy(model)

    @torch.no_grad()
    def update(self) -> None:
        if self._mean is None or self._decay is None:
            return
        self._steps += 1
        decay = min(self._decay, self._steps / (self._steps + 9))
        for mean, live in zip(self._tensors(self._mean), self._tensors(self._live), strict=True):
            mean.lerp_(live, 1 - decay) if mean.is_floating_point() else mean.copy_(live)

    @staticmethod
    def _tensors(model: nn.Module) -> list[Tensor]:
        return [*model.parameters(), *model.buffers()]

    def model(self, live: nn.Module) -> nn.Module:
        if self._mean is None:
            return live
        self._mean.zero_grad(set_to_none=True)
        return self._mean


def _cost(model: nn.Module, inputs: Tensor | None, samples_seen: int, seconds: float) -> Cost:
    flops = 0.0 if inputs is None else count(model, inputs).training * samples_seen
    return Cost(seconds=seconds, samples_seen=samples_seen, flops=flops)
