"""Take pruned units out for good: a smaller network with the outputs of the silenced one."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from unchaff.copies import copied
from unchaff.errors import ModelError
from unchaff.extras import library
from unchaff.nets.taps import LAYERS
from unchaff.records import PrunePlan, Trained

REMOVED = "pruned units taken out"  # among the modifications of an outcome


def removable(model: nn.Module, plan: PrunePlan, example: Tensor) -> PrunePlan:
    """Return the part of a plan that can be taken out.

    A unit whose output is added to that of other units (a residual sum) stays: it could only go
    together with them. One unit of each layer stays as well.

    Args:
        model: not modified.
        plan: units by layer.
        example: a prepared batch, to see which layer reads which.

    Raises:
        ConfigError: torch-pruning is not installed.
        ModelError: it cannot follow the network.
    """
    graph = _Graph(copied(model), example)
    fitting = {name for name, units in plan.by_layer().items() if graph.stands_alone(name, units)}
    return PrunePlan(tuple(unit for unit in plan.units if unit.layer in fitting), plan.reason, plan.cost)


def remove(model: nn.Module, plan: PrunePlan, example: Tensor) -> nn.Module:
    """Return a smaller copy in evaluation mode, without the planned units.

    All of them must be `removable`; the copy then answers as the network with these units silenced.
    """
    smaller = copied(model)
    graph = _Graph(smaller, example)
    for name, units in plan.by_layer().items():
        graph.group(name, units).prune()
    learns = {name: each.requires_grad for name, each in model.named_parameters()}
    for name, each in smaller.named_parameters():
        each.requires_grad_(learns[name])
    return smaller


def without(trained: Trained, plan: PrunePlan, example: Tensor) -> Trained:
    """Return the trained network, and the weights it began with, without the planned units."""
    smaller = remove(trained.model, plan, example)
    if trained.initial is None:
        return replace(trained, model=smaller)
    began = copied(trained.model)
    began.load_state_dict({**began.state_dict(), **trained.initial})
    left = remove(began, plan, example).state_dict()
    return replace(trained, model=smaller, initial={name: left[name] for name in trained.initial})


class _Graph:
    """Which layers lose something when a unit goes, as torch-pruning sees it."""

    def __init__(self, model: nn.Module, example: Tensor) -> None:
        pruning = library("torch_pruning", extra="structural", without="leave the silenced units in")
        self._model = model.eval().requires_grad_(requires_grad=True)
        with torch.enable_grad(), _told():
            self._graph = pruning.DependencyGraph().build_dependency(self._model, example_inputs=example)

    def group(self, name: str, units: list[int]) -> Any:  # noqa: ANN401  torch-pruning has no types
        """Return all that goes with these units."""
        layer = self._model.get_submodule(name)
        with _told():
            rule = self._graph.get_pruner_of_module(layer).prune_out_channels
            return self._graph.get_pruning_group(layer, rule, idxs=units)

    def stands_alone(self, name: str, units: list[int]) -> bool:
        """Return whether no other layer would lose outputs, and this one keeps some."""
        layer = self._model.get_submodule(name)
        losing = [
            each.target.module
            for each, _ in self.group(name, units)
            if each.handler.__name__ == "prune_out_channels" and isinstance(each.target.module, LAYERS)
        ]
        return losing == [layer] and len(units) < len(self._model.get_parameter(f"{name}.weight"))


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except (RuntimeError, TypeError, ValueError, AttributeError, KeyError) as error:
        raise ModelError(
            f"torch-pruning cannot follow the network ({error}). Leave the silenced units in."
        ) from error
