"""What prunable units do on some samples: the shared reading of all rules."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from unchaff.errors import ConfigError
from unchaff.filled import Filled
from unchaff.nets.flops import forward
from unchaff.nets.hooks import in_eval_mode, read_outputs
from unchaff.nets.looking import looked_at
from unchaff.nets.taps import Layer, find_layers, prunable
from unchaff.records import Cost, PrunedUnit, PrunePlan, Trained
from unchaff.samples import Batch, Samples

NOTHING_REJECTED = PrunePlan(reason="Nothing was rejected, so no unit can carry it.")


@dataclass(frozen=True)
class Activations:
    """Mean positive activation of each unit, per sample, per layer."""

    layers: dict[str, Float[Tensor, "n units"]]
    cost: Cost  # operations and samples seen; rules time themselves


def check(share: float, layers: float) -> None:
    """Refuse shares of units and of layers that there cannot be.

    Raises:
        ConfigError: one is out of range.
    """
    if not 0 <= share <= 1:
        raise ConfigError(f"share must be in [0, 1], got {share}. For 5 % of the units of a layer pass 0.05.")
    if not 0 < layers <= 1:
        raise ConfigError(f"layers must be in (0, 1], got {layers}. For the last third of them pass 0.34.")


def last_layers(trained: Trained, samples: Samples, share: float) -> list[Layer]:
    """Return the last part of the prunable layers, where memorised labels sit."""
    example = next(samples.batches(2)).inputs
    layers = prunable(find_layers(trained.model, example), trained.model)
    return layers[len(layers) - max(1, round(share * len(layers))) :] if layers else []


def observe_units(trained: Trained, samples: Samples, layers: list[Layer]) -> Activations:
    """Walk over the samples once and read every unit of these layers behind its normalisation."""
    names = {layer.name: layer.norm or layer.name for layer in layers}

    def activity(batch: Batch) -> dict[str, Tensor]:
        with read_outputs(trained.model, list(names.values())) as read:
            trained.model(batch.inputs)
        return {name: _means(read[reading], trained.model, name) for name, reading in names.items()}

    with in_eval_mode(trained.model), torch.no_grad():
        found = {name: Filled(len(samples)) for name in names}
        for part in looked_at(samples, activity, size=256, name="prune"):
            for name, each in part.items():
                found[name].add(each)
    flops = forward(trained.model, next(samples.batches(2)).inputs)
    cost = Cost(samples_seen=len(samples), flops=flops * len(samples)).as_stage("prune")
    return Activations({name: each.rows for name, each in found.items()}, cost)


def _means(read: Tensor, model: nn.Module, name: str) -> Float[Tensor, "b units"]:
    active = functional.relu(read.float())
    if isinstance(model.get_submodule(name), nn.Linear):
        active = active.movedim(-1, 1)  # of a sequence, its units come last
    return active.flatten(2).mean(2).cpu() if active.dim() > 2 else active.cpu()


def worst_units(scores: dict[str, Tensor], share: float, reason: str, cost: Cost) -> PrunePlan:
    """Return the plan that silences the highest scores of each layer, `share` of its units."""
    units = []
    for layer, score in scores.items():
        number = int(share * len(score))
        for unit in score.abs().argsort(descending=True, stable=True)[:number].tolist():
            units.append(PrunedUnit(layer, unit, float(score[unit])))
    return PrunePlan(tuple(units), reason, cost)
