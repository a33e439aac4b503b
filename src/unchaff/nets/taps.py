"""Where to read and where to prune in any network of linear and convolution layers.

One forward pass with hooks is enough: the order of execution, and which tensor goes into which
module, tell the rest. Nothing is named by hand, and `forward` may call what functions it likes.
Attention and recurrent modules that work on their weights directly are read and not pruned.
"""

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from unchaff.errors import ModelError
from unchaff.nets.hooks import WHOLE, features_first, in_eval_mode, removed_after

LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d)
NORMS = (nn.modules.batchnorm._BatchNorm, nn.LayerNorm, nn.GroupNorm, nn.modules.instancenorm._InstanceNorm)
PASSES = (nn.ReLU, nn.GELU, nn.SiLU, nn.Dropout, nn.Identity, nn.LeakyReLU, nn.Tanh)


@dataclass(frozen=True)
class Layer:
    """One layer, in order of execution."""

    name: str
    units: int  # output channels or features
    input_shape: tuple[int, ...]  # of what it reads, without the batch, features first
    reads: int  # layers that read the very same tensor share this number
    norm: str | None  # the normalisation that takes its output directly
    reader: str | None  # the next layer, where only elementwise modules lie between
    is_output: bool  # its output is the network's output
    is_embedded: bool = False  # it reads what an embedding looked up, not the network's own input
    by_sample: bool = True  # the first axis of what it reads counts samples
    is_whole: bool = False  # attention or recurrence, whose units cannot be silenced
    is_tied: bool = False  # its weight is also that of another module


@dataclass
class _Trace:
    layers: list[tuple[str, Tensor]] = field(default_factory=list)  # and what it read
    embedded: set[str] = field(default_factory=set)
    has_embedded: bool = False
    made_by: dict[int, str] = field(default_factory=dict)  # id of a tensor -> the layer it is traced to
    norms: dict[str, str] = field(default_factory=dict)
    readers: dict[str, list[str]] = field(default_factory=dict)
    alive: list[Tensor] = field(default_factory=list)  # so that no id is used twice

    def see(self, name: str, module: nn.Module, inputs: tuple[object, ...], output: object) -> None:
        """Note one call of a module."""
        if not inputs or not isinstance(inputs[0], Tensor):
            return
        if isinstance(module, WHOLE):
            self.alive.append(inputs[0])
            self.note(name, inputs[0])
        if not isinstance(output, Tensor):
            return
        self.has_embedded |= isinstance(module, nn.Embedding | nn.EmbeddingBag)
        source = self.made_by.get(id(inputs[0]))
        self.alive += [inputs[0], output]
        if isinstance(module, LAYERS):
            self.note(name, inputs[0])
            if source is not None:
                self.readers.setdefault(source, []).append(name)
            self.made_by[id(output)] = name
        elif source is not None and isinstance(module, NORMS):
            self.norms.setdefault(source, name)
            self.made_by[id(output)] = source
        elif source is not None and isinstance(module, PASSES):
            self.made_by[id(output)] = source

    def note(self, name: str, read: Tensor) -> None:
        """Note what a layer reads."""
        self.layers.append((name, read))
        if self.has_embedded:
            self.embedded.add(name)


def find_layers(model: nn.Module, example: Tensor) -> tuple[Layer, ...]:
    """Return the layers that run, in order: linear, convolution, attention and recurrence.

    Args:
        model: not modified; its hooks and modes are as before afterwards.
        example: one prepared batch, of at least one sample.

    Raises:
        ModelError: the network has no such layer, or cannot take the example.
    """
    trace = _Trace()
    handles = []
    for name, module in model.named_modules():
        if isinstance(module, WHOLE + LAYERS) or not any(True for _ in module.children()):
            hook = lambda module, inputs, output, name=name: trace.see(name, module, inputs, output)  # noqa: E731
            handles.append(module.register_forward_hook(hook))
    try:
        with removed_after(handles), in_eval_mode(model), torch.no_grad():
            output = model(example)
    except (RuntimeError, TypeError, ValueError, IndexError) as error:
        raise ModelError(
            f"The network cannot take inputs of shape {tuple(example.shape)}: {error}"
        ) from error
    if not trace.layers:
        raise ModelError(
            "No layer ran in the network that can be read, so there is nothing to judge samples by. "
            "Give a network made of torch.nn.Linear, Conv1d, Conv2d, MultiheadAttention, LSTM or GRU."
        )
    return _described(model, trace, output, len(example))


def _described(model: nn.Module, trace: _Trace, output: object, samples: int) -> tuple[Layer, ...]:
    modules = dict(model.named_modules())
    last = trace.made_by.get(id(output), trace.layers[-1][0])
    tied = _tied(model)
    found: dict[str, Layer] = {}
    for name, read in trace.layers:
        if name in found:
            continue
        readers = [reader for reader in trace.readers.get(name, []) if reader not in tied]
        module = modules[name]
        found[name] = Layer(
            name=name,
            units=0 if isinstance(module, WHOLE) else int(module.weight.shape[0]),
            input_shape=tuple(features_first(module, read).shape[1:]),
            reads=id(read),
            norm=trace.norms.get(name),
            reader=readers[0] if len(readers) == len(trace.readers.get(name, [])) == 1 else None,
            is_output=name == last,
            is_embedded=name in trace.embedded,
            by_sample=len(read) == samples and _batch_first(module),
            is_whole=isinstance(module, WHOLE),
            is_tied=name in tied,
        )
    return tuple(found.values())


def _tied(model: nn.Module) -> set[str]:
    """Return the names of modules that share a weight with another module."""
    owners: dict[int, list[str]] = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        owners.setdefault(id(parameter), []).append(name.rpartition(".")[0])
    return {name for names in owners.values() if len(names) > 1 for name in names}


def _batch_first(module: nn.Module) -> bool:
    return not isinstance(module, WHOLE) or bool(module.batch_first)


def prunable(layers: tuple[Layer, ...], model: nn.Module) -> list[Layer]:
    """Return the layers whose units can be silenced for good: not the output, norm with its own weights.

    Left alone: attention and recurrence as a whole, a weight that another module shares or that is made
    of others, frozen weights, and what does not keep samples apart.
    """
    return [
        layer
        for layer in layers
        if not (layer.is_output or layer.is_whole or layer.is_tied)
        and layer.by_sample
        and _has_own_weight(model.get_submodule(layer.name))
        and (layer.norm is None or _scales_units(model, layer.norm, layer.units))
    ]


def _has_own_weight(module: nn.Module) -> bool:
    """Whether its weight is one that learns; one made of others, as by weight normalisation, is not."""
    weight = dict(module.named_parameters(recurse=False)).get("weight")
    return weight is not None and weight.requires_grad


def _scales_units(model: nn.Module, norm: str, units: int) -> bool:
    """Whether the normalisation has one weight per unit: a layer norm over time has one per frame."""
    weight = getattr(model.get_submodule(norm), "weight", None)
    return weight is not None and len(weight) == units


def reading_points(layers: tuple[Layer, ...]) -> list[Layer]:
    """Return the layers whose input is worth reading: the last of each run of one shape.

    What a layer reads is what the layers before it made of the sample, after their activation,
    whatever function that was. The network's own input comes first, where it is read at all.

    Raises:
        ModelError: no layer keeps samples apart.
    """
    distinct: dict[int, Layer] = {}
    for layer in layers:
        if layer.by_sample:
            distinct.setdefault(layer.reads, layer)
    points = list(distinct.values())
    if not points:
        raise ModelError(
            f"What {layers[0].name} reads does not have samples on its first axis. "
            "Build the network with batch_first=True."
        )
    return [
        point
        for index, point in enumerate(points)
        if index == 0 or index + 1 == len(points) or points[index + 1].input_shape != point.input_shape
    ]


def points_of(model: nn.Module, example: Tensor, *, depth: float, taps: tuple[str, ...] = ()) -> list[Layer]:
    """Return the layers to read: those named, or else the first part of the reading points.

    Args:
        model: not modified.
        example: one prepared batch.
        depth: share of the reading points, from the input on; 1: all.
        taps: names of layers whose inputs to read instead.

    Raises:
        ModelError: a name is not that of a layer that runs and keeps samples apart.
    """
    layers = find_layers(model, example)
    if not taps:
        points = reading_points(layers)
        inner = points if points[0].is_embedded else points[1:] or points  # a lone layer reads the input
        return inner[: max(1, round(depth * len(inner)))]
    allowed = {layer.name: layer for layer in layers if layer.by_sample}
    unknown = [name for name in taps if name not in allowed]
    if unknown:
        raise ModelError(
            f"{unknown[0]!r} cannot be read. Layers that run and keep samples apart: {', '.join(allowed)}."
        )
    return [allowed[name] for name in allowed if name in taps]
