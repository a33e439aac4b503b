"""A user's network, made to take a batch of ours and to answer with logits; its own code stays as it is."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from unchaff.copies import copied
from unchaff.errors import ModelError
from unchaff.nets.hooks import in_eval_mode, removed_after
from unchaff.packing import Layout
from unchaff.samples import Samples

LOGITS, TAGS = "logits", "tags"  # of what a network returns


@dataclass(frozen=True)
class Unpacked:
    """Before the network runs: bytes become what it takes."""

    layout: Layout
    as_one: bool  # a network that takes the mapping or the tuple itself, as its one argument

    def __call__(
        self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return the arguments the network is called with."""
        parts = self.layout.unpack(args[0])
        values = tuple(parts.values())
        if self.as_one:
            return ((parts if self.layout.by_name else values),), kwargs
        return ((), {**kwargs, **parts}) if self.layout.by_name else (values, kwargs)


@dataclass(frozen=True)
class Answered:
    """After the network ran: the logits of what it returned."""

    def __call__(self, module: nn.Module, args: tuple[Any, ...], output: object) -> Tensor:
        """Return the logits."""
        return logits_of(output)


@contextmanager
def tags_said(model: nn.Module, *, asked: bool = True) -> Iterator[list[Tensor]]:
    """Collect what an adapted network says of tags at each forward pass, (b, length, tags) each.

    Where it is a part of another network too; nothing where it answers without tags.
    """
    said: list[Tensor] = []

    def note(_module: nn.Module, _args: tuple[Any, ...], output: object) -> None:
        found = getattr(output, TAGS, None)
        if isinstance(found, Tensor):
            said.append(found)

    takers = [
        module
        for module in model.modules()
        if asked and any(isinstance(hook, Answered) for hook in module._forward_hooks.values())
    ]
    # Before the hook that leaves only the logits.
    with removed_after([taker.register_forward_hook(note, prepend=True) for taker in takers]):
        yield said


def logits_of(output: object) -> Tensor:
    """Return the logits among what a network returned.

    Raises:
        ModelError: there are none.
    """
    found = output
    if isinstance(output, Mapping):
        found = output.get(LOGITS)
    elif hasattr(output, LOGITS):
        found = getattr(output, LOGITS)
    elif isinstance(output, tuple | list) and output:
        found = output[0]
    if not isinstance(found, Tensor):
        raise ModelError(
            f"The network returns {type(output).__name__} without logits. Return a tensor, an object with "
            ".logits, a mapping with the key logits, or a tuple that begins with them."
        )
    return found


def adapted(model: nn.Module, samples: Samples) -> nn.Module:
    """Return a copy that maps batches of these samples to logits (b, outputs); weights keep their names.

    Raises:
        ModelError: it cannot take a batch, or returns no logits.
    """
    taking = copied(model)
    example = next(samples.batches(2)).inputs
    layout = samples.kind.layout
    output = _ran(taking, example) if layout is None else _taught(taking, layout, example)
    logits = logits_of(output)
    if logits.dim() != 2 or len(logits) != len(example):
        raise ModelError(
            f"The network answers {len(example)} samples with a tensor of shape {tuple(logits.shape)}. "
            "It has to return logits of shape (samples, classes)."
        )
    if not isinstance(output, Tensor):
        taking.register_forward_hook(Answered())
    return taking


def bare(model: nn.Module) -> nn.Module:
    """Take off what `adapted` put on: the network as its owner wrote it."""
    for hooks in (model._forward_pre_hooks, model._forward_hooks):
        for key in [key for key, hook in hooks.items() if isinstance(hook, Unpacked | Answered)]:
            del hooks[key]
            model._forward_pre_hooks_with_kwargs.pop(key, None)
    return model


def _taught(taking: nn.Module, layout: Layout, example: Tensor) -> object:
    handle = taking.register_forward_pre_hook(Unpacked(layout, as_one=False), with_kwargs=True)
    try:
        return _ran(taking, example)
    except ModelError as error:
        if not isinstance(error.__cause__, TypeError):
            raise
        handle.remove()
        taking.register_forward_pre_hook(Unpacked(layout, as_one=True), with_kwargs=True)
        try:
            return _ran(taking, example)
        except ModelError:
            raise error from error.__cause__


def _ran(model: nn.Module, example: Tensor) -> object:
    try:
        with in_eval_mode(model), torch.no_grad():
            return model(example)
    except Exception as error:  # whatever the owner's code raises
        raise ModelError(f"The network cannot take a batch of the data: {error}") from error
