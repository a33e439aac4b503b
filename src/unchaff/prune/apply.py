"""A plan -> a pruned copy, and the masks that keep it pruned."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from unchaff.copies import copied
from unchaff.nets.taps import find_layers
from unchaff.records import PrunePlan
from unchaff.train.still import hold_masks


@dataclass(frozen=True)
class Pruned:
    """A silenced copy."""

    model: nn.Module
    masks: dict[str, Tensor]  # by parameter: 0 where it must stay zero


def prune(model: nn.Module, plan: PrunePlan, example: Tensor) -> Pruned:
    """Silence the planned units in a copy.

    A unit's weights and bias become zero, and weight and bias of the normalisation behind it, so that
    the unit is exactly zero before the activation, for every input. Where the next layer reads it
    through elementwise modules only, its outgoing weights are zero as well.

    Args:
        model: not modified.
        plan: units by layer.
        example: a prepared batch, to see the order of the layers.
    """
    pruned = copied(model)
    masks = masks_for(model, plan, example)
    hold_masks(pruned, masks)
    return Pruned(pruned, masks)


def masks_for(model: nn.Module, plan: PrunePlan, example: Tensor) -> dict[str, Tensor]:
    """Return one mask per touched parameter: ones, with zeros for the pruned units."""
    if not plan.units:
        return {}
    layers = {layer.name: layer for layer in find_layers(model, example)}
    parameters = dict(model.named_parameters())
    masks: dict[str, Tensor] = {}

    def silence(name: str, index: tuple[slice | list[int], ...]) -> None:
        if name in parameters:
            mask = masks.setdefault(name, torch.ones_like(parameters[name]))
            mask[index] = 0

    for name, units in plan.by_layer().items():
        layer = layers[name]
        for owner in (name, layer.norm):
            if owner is not None:
                silence(f"{owner}.weight", (units,))
                silence(f"{owner}.bias", (units,))
        read = parameters.get(f"{layer.reader}.weight")  # none where it is made of others
        if read is not None and read.shape[1] == layer.units:
            silence(f"{layer.reader}.weight", (slice(None), units))
    return masks
