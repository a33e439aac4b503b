"""What pruned units responded to: the few samples that drove them most, before they were silenced."""

from dataclasses import dataclass

import torch

from unchaff.nets.taps import find_layers
from unchaff.prune.activations import observe_units
from unchaff.records import PrunedUnit, PrunePlan, Trained
from unchaff.samples import Ids, Samples
from unchaff.streams import Streams

UNITS = 6  # with the strongest sensitivity
LOOKED_AT = 2000  # samples, drawn by id
SHOWN = 6  # samples of each unit


@dataclass(frozen=True)
class Drive:
    """The samples that drove one unit most, strongest first."""

    layer: str
    unit: int
    ids: Ids
    activations: tuple[float, ...]  # mean positive activation, in multiples of that over all looked at
    among: int  # samples looked at


def drives(trained: Trained, samples: Samples, plan: PrunePlan) -> tuple[Drive, ...]:
    """Run the network before pruning over some samples and return what drove its pruned units.

    Args:
        trained: the network before; not modified.
        samples: of which at most `LOOKED_AT` are looked at.
        plan: the pruned units; of them the `UNITS` strongest are told about.
    """
    strongest = sorted(plan.units, key=lambda unit: (-abs(unit.sensitivity), unit.layer, unit.unit))[:UNITS]
    if not strongest:
        return ()
    some = samples.at(Streams(0).subset("drives", samples.ids, LOOKED_AT))
    names = {unit.layer for unit in strongest}
    layers = find_layers(trained.model, next(some.batches(2)).inputs)
    found = observe_units(trained, some, [layer for layer in layers if layer.name in names])
    return tuple(_drive(unit, found.layers[unit.layer][:, unit.unit], some) for unit in strongest)


def _drive(unit: PrunedUnit, activity: torch.Tensor, samples: Samples) -> Drive:
    rows = activity.argsort(descending=True, stable=True)[:SHOWN]
    mean = max(float(activity.mean()), 1e-12)
    shares = tuple(round(float(value), 2) for value in activity[rows] / mean)
    return Drive(unit.layer, unit.unit, samples.ids[rows.numpy()], shares, len(samples))
