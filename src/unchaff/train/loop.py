"""The only optimizer step."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from unchaff import journal, progress
from unchaff.copies import copied
from unchaff.errors import ModelError, TrainingError
from unchaff.journal import State
from unchaff.nets.adapt import tags_said
from unchaff.nets.flops import count
from unchaff.nets.looking import give_back, halved, say_halved
from unchaff.records import Cost
from unchaff.samples import Batch, Samples
from unchaff.streams import Streams
from unchaff.train import together
from unchaff.train.augment import named, smaller
from unchaff.train.average import Average
from unchaff.train.phases import Phase
from unchaff.train.recorder import Watcher
from unchaff.train.still import freeze_others, hold_masks, hold_still, rest
from unchaff.train.views import tag_loss, views_of


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
    repeats less than drawing each time (Jordan, arXiv 2404.00498). Where a journal is kept, training goes
    on after the last epoch it holds. A loss that is no longer finite is answered once, by going back to
    the last good epoch with half the rate; memory of the device that runs out, by going back there and
    running each batch through the network in smaller pieces, whose gradients are added up. Where several
    processes train together, each takes its share of every batch from its own samples, and gradients are
    averaged; statistics of normalisations are, after each epoch.

    Args:
        model: not modified.
        samples: what to learn from, with the labels as given.
        phase: how, and for how many optimizer steps.
        streams: order and augmentation; dropout of the network itself runs on a forked global RNG.
        name: shown as progress and used for the cost stage.
        watcher: sees the outputs of every batch and the network after every epoch, if given.

    Raises:
        TrainingError: the loss stopped being finite again.
        ModelError: the memory of the device does not hold one sample, or all weights are frozen.
    """
    started = time.perf_counter()
    entry = journal.entry(name)
    with streams.forked_global("train"):
        training = Training(model, samples, phase, streams=streams, watcher=watcher)
        good = entry.found() or training.state(0.0)
        training.restore(good)
        before, said = float(str(good.about["seconds"])), training.piece
        with progress.stage(name, phase.steps, "steps") as shown:
            shown.advance(training.step)
            while training.step < phase.steps:
                piece = training.piece
                try:
                    training.run_epoch(shown.advance)
                except RuntimeError as error:
                    piece = training.halved(error, name)
                if piece < training.piece:  # outside of the block above: the error holds on to memory
                    training.take_smaller(piece, good)
                    continue
                if training.piece < said:
                    say_halved(name, training.batch_size, training.piece)
                    said = training.piece
                if not training.is_finite:
                    training.go_back(good, name)
                    continue
                good = training.state(before + time.perf_counter() - started)
                if entry.is_due:
                    entry.keep(good)
        entry.keep(training.state(before + time.perf_counter() - started))
    learner, average, example = training.learner, training.average, training.example()
    seconds = before + time.perf_counter() - started
    cost = _cost(learner, example, phase, seconds, training.batch_size)
    for parameter, needs in zip(learner.parameters(), model.parameters(), strict=True):
        parameter.requires_grad_(needs.requires_grad)
    learner.zero_grad(set_to_none=True)
    return Fitted(learner, average.model(learner), cost.as_stage(name))


class Training:
    """A network on its way through a phase, which can be written down after each epoch."""

    def __init__(
        self, model: nn.Module, samples: Samples, phase: Phase, *, streams: Streams, watcher: Watcher | None
    ) -> None:
        self.learner = copied(model).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._optimizer = _prepare(self.learner, phase)
        self.average = Average(self.learner, phase.average)
        self.batch_size = min(together.share(phase.batch_size), len(samples))
        self.piece = self.batch_size  # samples that run through the network at once
        self.step = 0
        self._samples, self._phase, self._watcher = samples, phase, watcher
        self._augmenting = streams("augment", samples.device)
        self._ordering = streams("order")
        self._first = torch.from_numpy(streams.per_id("mirror", samples.ids) < 0.5)
        self._losses = torch.zeros((), device=samples.device)
        self._epoch = 0
        self._slower = 1.0  # times the rate, once the loss was no longer finite

    def run_epoch(self, advance: Callable[[], None]) -> None:
        """Take the steps of one pass over the samples, or those that are left.

        An incomplete last batch is left out.
        """
        per_epoch = together.least(max(1, len(self._samples) // self.batch_size))
        here = min(per_epoch, self._phase.steps - self.step)
        order = torch.randperm(len(self._samples), generator=self._ordering)[: here * self.batch_size]
        if self._watcher is not None:
            self._watcher.begin_epoch()
        for batch in self._samples.batches(self.batch_size, order):
            self._take(batch)
            self.average.update()
            self.step += 1
            advance()
        together.average_buffers(self.learner)
        if here == per_epoch:
            self._epoch += 1
            if self._watcher is not None:
                self._watcher.end_epoch(self.learner)

    def _take(self, batch: Batch) -> None:
        phase = self._phase
        mirrored = self._first[torch.from_numpy(batch.rows)] ^ bool(self._epoch % 2)
        seen = views_of(batch, self._samples, phase, self._augmenting, mirrored=mirrored)
        for group in self._optimizer.param_groups:
            group["lr"] = phase.lr(phase.first_step + self.step) * self._slower
        self._optimizer.zero_grad(set_to_none=True)
        for start in range(0, len(batch.rows), self.piece):
            inputs, part = seen.part(batch, slice(start, start + self.piece))
            self._learn_from(inputs, part, len(batch.rows))
        together.average_gradients(self.learner.parameters())
        self._optimizer.step()
        hold_masks(self.learner, phase.masks)

    def _learn_from(self, inputs: Tensor, batch: Batch, size: int) -> None:
        """Add the gradients of a piece of a batch of so many samples."""
        phase = self._phase
        if inputs.dim() == 4:
            inputs = inputs.contiguous(memory_format=torch.channels_last)
        with (
            torch.autocast(inputs.device.type, torch.bfloat16, enabled=inputs.is_cuda),
            tags_said(self.learner, asked=batch.tags is not None) as said,
        ):
            outputs = self.learner(inputs)
        each = phase.task.loss(outputs, batch.labels) if phase.loss is None else phase.loss(outputs, batch)
        if batch.tags is not None and said:  # whatever the labels teach, tags are learned beside
            each = each + tag_loss(said[0], batch, phase.heeds)
        loss = each.mean() * (len(batch.rows) / size)
        loss.backward()
        if self._watcher is not None:
            self._watcher.see(batch.rows, outputs[: len(batch.rows)], batch.labels)
        self._losses += loss.detach()

    def example(self) -> Tensor:
        """Return inputs of the size that is trained on."""
        inputs = next(self._samples.batches(2)).inputs
        side = self._phase.side if self._phase.augment else None
        return inputs if side is None else smaller(inputs, side)

    @property
    def is_finite(self) -> bool:
        """Whether all losses so far were finite numbers."""
        return together.all_are(bool(torch.isfinite(self._losses)))

    def go_back(self, good: State, name: str) -> None:
        """Begin again after the last good epoch, with half the rate; once.

        Raises:
            TrainingError: it was done already.
        """
        failed = self.step
        if self._slower < 1:
            raise TrainingError(
                f"The loss of {name!r} is no longer finite by step {failed}, with half the rate too. "
                f"Check the inputs with `unchaff doctor`{self._also()}, or train with a lower rate."
            )
        self.restore(good)
        self._slower = 0.5
        progress.say(
            f"The loss of {name!r} was no longer finite by step {failed}: "
            f"back to step {self.step}, with half the rate."
        )

    def _also(self) -> str:
        change = self._samples.augmentation if self._phase.augment else None
        return "" if change is None else f" and what {named(change)} makes of them"

    def halved(self, error: RuntimeError, name: str) -> int:
        """Return half the size of the pieces after an error of memory; any other is raised again."""
        if together.number() > 1:  # the others are in the midst of the step and would wait for ever
            raise error
        return halved(self.piece, error, name)

    def take_smaller(self, piece: int, good: State) -> None:
        """Begin again after the last good epoch, with smaller pieces of each batch."""
        give_back()
        self.restore(good)
        self.piece = piece

    def state(self, seconds: float) -> State:
        """Return all that later steps depend on, as it is now."""
        tensors = {f"learner.{name}": each for name, each in self.learner.state_dict().items()}
        tensors |= {f"average.{name}": each for name, each in self.average.state().items()}
        for index, slots in self._optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{index}.{name}": torch.as_tensor(slot) for name, slot in slots.items()}
        if self._watcher is not None:
            tensors |= {f"watcher.{name}": each for name, each in self._watcher.state().items()}
        tensors |= {
            "random.augmenting": self._augmenting.get_state(),
            "random.ordering": self._ordering.get_state(),
            "random.global": torch.get_rng_state(),
            "losses": self._losses,
        }
        about = {
            "seconds": seconds,
            "step": self.step,
            "epoch": self._epoch,
            "slower": self._slower,
            "piece": self.piece,
            "averaged": self.average.steps,
        }
        return State({name: each.detach().clone() for name, each in tensors.items()}, about)

    def restore(self, state: State) -> None:
        """Go on from a state; inside the block that forks the global generator."""
        about = {name: float(str(value)) for name, value in state.about.items()}
        self.learner.load_state_dict(_under(state, "learner."))
        self.average.restore(_under(state, "average."), int(about["averaged"]))
        held = self._optimizer.state_dict()
        held["state"] = {}
        for name, slot in _under(state, "optimizer.").items():
            index, _, key = name.partition(".")
            held["state"].setdefault(int(index), {})[key] = slot
        self._optimizer.load_state_dict(held)
        if self._watcher is not None:
            self._watcher.restore(_under(state, "watcher."))
        self._augmenting.set_state(state.tensors["random.augmenting"])
        self._ordering.set_state(state.tensors["random.ordering"])
        torch.set_rng_state(state.tensors["random.global"])
        self._losses = state.tensors["losses"].to(self._losses).clone()
        self.step, self._epoch, self._slower = int(about["step"]), int(about["epoch"]), about["slower"]
        self.piece = min(self.piece, int(about["piece"]))


def _under(state: State, prefix: str) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): each for name, each in state.tensors.items() if name.startswith(prefix)
    }


def _prepare(learner: nn.Module, phase: Phase) -> torch.optim.Optimizer:
    learner.train()
    rest(learner)
    if phase.trains is not None:
        freeze_others(learner, phase.trains)
    hold_still(learner, phase.holds)
    hold_masks(learner, phase.masks)
    learning = [parameter for parameter in learner.parameters() if parameter.requires_grad]
    if not learning:
        raise ModelError(
            "Every weight of the network is frozen, so nothing can learn. Set requires_grad_(True) on the "
            "parts that may."
        )
    return phase.optimizer(learning, phase.lr(phase.first_step))


def _cost(model: nn.Module, inputs: Tensor, phase: Phase, seconds: float, size: int) -> Cost:
    seen = phase.steps * size * max(1, len(phase.views))
    flops = count(model, inputs).training * seen + phase.beside * phase.steps
    return Cost(seconds=seconds, samples_seen=seen, flops=flops)
