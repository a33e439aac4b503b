"""The repaired network of a run folder, built again; no code named in a file is run, no pickle is read."""

from collections.abc import Mapping
from math import prod

import torch
from torch import Tensor, nn

from unchaff.copies import copied
from unchaff.errors import ModelError, RunFolderError
from unchaff.limits import PIXELS
from unchaff.nets.build import NETS, from_shape
from unchaff.nets.denoising import BLOCKS, DRAWING, Make, blocks_in, with_blocks, without_blocks
from unchaff.nets.filtering import FILTERED, with_filter, without_filter
from unchaff.nets.hub import rebuilt
from unchaff.nets.text import VOCABULARY
from unchaff.nets.tuned import TUNED, with_tuned_head
from unchaff.prune.remove import REMOVED, remove
from unchaff.records import PrunedUnit, PrunePlan
from unchaff.runs.layout import HUB, NETWORK, WEIGHTS
from unchaff.runs.read import AGAIN, RunFolder
from unchaff.runs.weights import check_fit, load_into, load_weights
from unchaff.streams import Streams

BATCH = 3  # of an example
SMALLEST = 0.01  # of its parameters, that a network keeps when units are taken out


def network(run: RunFolder, *, plain: nn.Module | None = None) -> nn.Module:
    """Return it in evaluation mode.

    Args:
        run: the folder.
        plain: the freshly built network, where it is neither built in nor of the transformers library.

    Raises:
        RunFolderError: the run scored only; or it cannot be built, and `plain` is missing.
        ConfigError: units were taken out, and torch-pruning is not installed.
        ModelError: the weights do not fit.
    """
    filtering = filter_of(run)  # before the weights: that a run of scoring has none is said here
    whole = load_weights(run.path / WEIGHTS)
    state = whole if filtering is None else without_filter(whole)
    smaller = is_smaller(run)
    blocks = blocks_in(state, draws=is_drawing(run)) if has_blocks(run) else {}
    tuned = tuned_head_of(run)
    model = _built(run, without_blocks(state, blocks), smaller=smaller) if plain is None else plain
    if tuned is not None:
        with Streams(0).forked_global("load"):
            model = with_tuned_head(model, tuned, state)
    if smaller:
        model = _removed(run, model)
    if blocks:
        model = _followed(model, state, blocks)
    if filtering is not None:
        model = with_filter(model, filtering, whole)
    load_into(model, whole)
    return model.eval()


def is_smaller(run: RunFolder) -> bool:
    """Whether the repair took units out of the network."""
    return REMOVED in run.model.get("modifications", [])


def has_blocks(run: RunFolder) -> bool:
    """Whether the repair put blocks behind layers of the network."""
    return BLOCKS in run.model.get("modifications", []) or is_drawing(run)


def is_drawing(run: RunFolder) -> bool:
    """Whether these blocks answer at random."""
    return DRAWING in run.model.get("modifications", [])


def tuned_head_of(run: RunFolder) -> str | None:
    """Return the name of the layer in whose place an adapter and a classifier stand; None: there is none."""
    said = [each for each in run.model.get("modifications", []) if str(each).startswith(f"{TUNED} ")]
    return said[0].removeprefix(f"{TUNED} ") if said else None


def filter_of(run: RunFolder) -> str | None:
    """Return what is said of the filter of inputs in front of the network; None: there is none."""
    said = [str(each) for each in run.model.get("modifications", [])]
    return next((each for each in said if each.startswith(f"{FILTERED} ")), None)


def is_rearranged(run: RunFolder) -> bool:
    """Whether the network has parts that the plain one has not."""
    return has_blocks(run) or tuned_head_of(run) is not None or filter_of(run) is not None


def example(run: RunFolder) -> Tensor:
    """Return a prepared batch of the kind the network takes; of a built-in one."""
    shape = (BATCH, *_sides(run))
    generator = Streams(0)("example")
    if run.kind == "text":
        return torch.randint(0, VOCABULARY, shape, generator=generator)
    return torch.randn(shape, generator=generator)


def pruned(run: RunFolder) -> PrunePlan:
    """Return which units were silenced, or taken out.

    Raises:
        RunFolderError: model.json does not say.
    """
    layers = run.model.get("pruned_units")
    if not isinstance(layers, dict) or not all(_is_units(units) for units in layers.values()):
        raise RunFolderError(f"{run.path / NETWORK} does not say which units were pruned. {AGAIN}")
    return PrunePlan(tuple(PrunedUnit(name, unit, 0.0) for name, units in layers.items() for unit in units))


def _sides(run: RunFolder) -> tuple[int, ...]:
    """Return the shape of one input, which a file may claim to be of any size."""
    shape = run.model["input"]["shape"]
    if not all(type(side) is int and side > 0 for side in shape) or prod(shape) > PIXELS.value:
        raise RunFolderError(
            f"{run.path / NETWORK} describes inputs of shape {shape}; whole numbers above 0 are needed, "
            f"and no more values than the {PIXELS}."
        )
    return tuple(shape)


def _is_units(units: object) -> bool:
    return isinstance(units, list) and all(type(unit) is int and unit >= 0 for unit in units)


def _removed(run: RunFolder, model: nn.Module) -> nn.Module:
    try:
        return remove(model, pruned(run), example(run))
    except (AttributeError, IndexError) as error:
        raise ModelError(
            f"{run.path / NETWORK} names pruned units that the network has not ({error}). {AGAIN}"
        ) from error


def _followed(model: nn.Module, state: Mapping[str, Tensor], blocks: Mapping[str, Make]) -> nn.Module:
    """Return the network with its blocks; memory is taken only if the weights are of their size."""
    try:
        with torch.device("meta"):
            sketch = with_blocks(copied(model).to("meta"), blocks)
    except RuntimeError as error:
        raise ModelError(f"The weights describe blocks that cannot be built ({error}). {AGAIN}") from error
    check_fit(sketch, state)
    with Streams(0).forked_global("load"):
        return with_blocks(model, blocks)


def _built(run: RunFolder, state: Mapping[str, Tensor], *, smaller: bool) -> nn.Module:
    """Return the plain network; memory is taken only if the weights are of its size.

    Those of a network without its pruned units may be of a hundredth.
    """
    spec, folder = run.model, run.path
    if "hub" in spec:
        with torch.device("meta"):
            _check(run, rebuilt(folder / HUB), state, smaller=smaller)
        return rebuilt(folder / HUB)
    if spec["model"] not in NETS:
        raise RunFolderError(
            f"{folder} holds the network {spec['model']!r}, which is not built in. "
            "Pass the plain network: unchaff.load(run, model=network)."
        )
    shape, classes = tuple(spec["input"]["shape"]), len(spec["class_names"])
    try:
        with torch.device("meta"):
            _check(run, from_shape(spec["model"], shape, classes), state, smaller=smaller)
    except (TypeError, IndexError, RuntimeError, ZeroDivisionError, OverflowError) as error:
        raise RunFolderError(
            f"{run.path / NETWORK} describes no network that can be built ({error}). {AGAIN}"
        ) from error
    with Streams(0).forked_global("load"):
        return from_shape(spec["model"], shape, classes)


def _check(run: RunFolder, model: nn.Module, state: Mapping[str, Tensor], *, smaller: bool) -> None:
    tuned = tuned_head_of(run)
    if tuned is not None:
        model = with_tuned_head(model, tuned, state)
    if not smaller:
        return check_fit(model, state)
    whole, left = (sum(each.numel() for each in of) for of in (model.parameters(), state.values()))
    if left < SMALLEST * whole:
        raise ModelError(
            f"The weights hold {left:,} numbers, and the plain network has {whole:,} parameters: "
            "more than taking units out explains. Give the run folder as it was written."
        )
    return None
