"""The network a cell starts from: weights or a model folder, or a training on the labels as they are."""

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from unchaff.errors import ModelError
from unchaff.nets.adapt import adapted
from unchaff.nets.build import build, default_net
from unchaff.nets.hooks import in_eval_mode
from unchaff.nets.taps import points_of
from unchaff.records import Recipe, Trained
from unchaff.runs.weights import load_into, load_weights
from unchaff.samples import Samples
from unchaff.streams import Streams
from unchaff.tasks import are_probabilities
from unchaff.train.initial import train_initial

if TYPE_CHECKING:
    from unchaff.bench.cell import Cell


def start(cell: "Cell", samples: Samples, *, streams: Streams) -> tuple[str, Trained]:
    """Return the model spec and the trained network.

    Raises:
        ModelError: the network cannot be built, takes other inputs, or answers with too few outputs.
    """
    spec = cell.model or default_net(samples)
    is_of_folder = cell.options.hub is not None
    model = build(spec, samples, streams=streams, measures=cell.weights is None)
    if cell.weights is not None:
        load_into(model, load_weights(cell.weights))
    model = fitting(model, samples)
    if cell.weights is None and not is_of_folder:
        recipe = replace(Recipe.usual(model, len(samples)), epochs=cell.epochs, augment=cell.augment)
        return spec, train_initial(model, samples, recipe, streams=streams)
    initial = None if cell.initial is None else load_weights(cell.initial)
    return spec, Trained(model=model.eval(), initial=initial, pretrained=is_of_folder)


def fitting(model: object, samples: Samples, taps: tuple[str, ...] = ()) -> nn.Module:
    """Return a copy that maps batches of these samples to logits.

    Raises:
        ModelError: it is no network that can be changed, its outputs are probabilities or cannot hold the
            labels, or it has no layer to read.
    """
    taking = _taking(module_of(model), samples)
    example = next(samples.batches(2)).inputs
    points_of(taking, example, depth=1.0, taps=taps)
    with in_eval_mode(taking), torch.no_grad():
        outputs = taking(example)
    if outputs.shape[1] < samples.num_classes:
        raise ModelError(
            f"The network has {outputs.shape[1]} outputs, but the data have {samples.num_classes} classes. "
            "Give a network with one output per class."
        )
    if are_probabilities(outputs):
        raise ModelError(
            "The network returns probabilities: every row lies in [0, 1] and sums to 1. It must return "
            "logits: leave the softmax out."
        )
    return taking


def module_of(model: object) -> nn.Module:
    """Return what was given, if it is a network whose layers can be read and changed.

    Raises:
        ModelError: it is no module, or a compiled program.
    """
    if not isinstance(model, nn.Module):
        raise ModelError(
            f"The network is of type {type(model).__name__}, which cannot be trained. Give a torch.nn.Module."
        )
    if hasattr(model, "_orig_mod"):
        raise ModelError(
            "The network was made by torch.compile, and its layers can be neither read nor changed. Give the "
            "module that was compiled, model._orig_mod."
        )
    made = [name for name, each in model.named_modules() if isinstance(each, torch.jit.ScriptModule)]
    if made:
        what = f"The part {made[0]} of the network" if made[0] else "The network"
        raise ModelError(
            f"{what} was made by torch.jit, and its layers can be neither read nor changed. Give the module "
            "it was traced or scripted from."
        )
    return model


def _taking(model: nn.Module, samples: Samples) -> nn.Module:
    try:
        return adapted(model, samples)
    except ModelError as error:
        kinds = {str(each.dtype).removeprefix("torch.") for each in model.parameters()} - {"float32"}
        if kinds:
            raise ModelError(
                f"The weights of the network are {' and '.join(sorted(kinds))}, and it cannot take the data, "
                "which are float32. Give model.float()."
            ) from error
        if not _may_be_otherwise(samples):
            raise
        shape = tuple(next(samples.batches(2)).inputs.shape)
        raise ModelError(
            f"{str(error).rstrip('. ')}. It was given float32 of shape {shape}: if it takes something else, "
            "give a torch data set of items ((x,), y), which hands on x as it is."
        ) from error


def _may_be_otherwise(samples: Samples) -> bool:
    """Whether sequences may have been taken for pictures, or whole numbers, such as of words, for columns."""
    if samples.kind.name not in ("image", "tabular") or samples.columns:
        return False
    first = samples.source.raw(np.arange(1))
    whole = bool((first == first.round()).all())
    return first.is_floating_point() and (samples.kind.name == "image" or whole)
