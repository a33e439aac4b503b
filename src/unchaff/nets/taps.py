"""Where to read and where to prune in any network of linear and convolution layers.

One forward pass with hooks is enough: the order of execution, and which tensor goes into which
module, tell the rest. Nothing is named by hand, and `forward` may call what functions it likes.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor, nn

from unchaff.errors import ModelError

LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d)
NORMS = (nn.modules.batchnorm._BatchNorm, nn.LayerNorm, nn.GroupNorm, nn.modules.instancenorm._InstanceNorm)
PASSES = (nn.ReLU, nn.GELU, nn.SiLU, nn.Dropout, nn.Identity, nn.LeakyReLU, nn.Tanh)


@dataclass(frozen=True)
class Layer:
    """One linear or convolution layer, in order of execution."""

    name: str
    units: int  # output channels or features
    input_shape: tuple[int, ...]  # of what it reads, without the batch
    reads: int  # layers that read the very same tensor share this number
    norm: str | None  # the normalisation that takes its output directly
    reader: str | None  # the next layer, where only elementwise modules lie between
    is_output: bool  # its output is the network's output


@dataclass
class _Trace:
    layers: list[tuple[str, tuple[int, ...], int]] = field(default_factory=list)
    made_by: dict[int, str] = field(default_factory=dict)  # id of a tensor -> the layer it is traced to
    norms: dict[str, str] = field(default_factory=dict)
    readers: dict[str, list[str]] = field(default_factory=dict)
    alive: list[Tensor] = field(default_factory=list)  # so that no id is used twice

    def see(self, name: str, module: nn.Module, inputs: tuple[object, ...], output: object) -> None:
        """Note one call of a leaf module."""
        if not inputs or not isinstance(inputs[0], Tensor) or not isinstance(output, Tensor):
            return
        source = self.made_by.get(id(inputs[0]))
        self.alive += [inputs[0], output]
        if isinstance(module, LAYERS):
            self.layers.append((name, tuple(inputs[0].shape[1:]), id(inputs[0])))
            if source is not None:
                self.readers.setdefault(source, []).append(name)
            self.made_by[id(output)] = name
        elif source is not None and isinstance(module, NORMS):
            self.norms.setdefault(source, name)
            self.made_by[id(output)] = source
        elif source is not None and isinstance(module, PASSES):
            self.made_by[id(output)] = source


@contextmanager
def in_eval_mode(model: nn.Module) -> Iterator[None]:
    """Put every module in evaluation mode, and each back into its own mode afterwards."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


def find_layers(model: nn.Module, example: Tensor) -> tuple[Layer, ...]:
    """Return the linear and convolution layers that run, in order.

    Args:
        model: not modified; its hooks and modes are as before afterwards.
        example: one prepared batch, of at least one sample.

    Raises:
        ModelError: the network has no such layer, or cannot take the example.
    """
    trace = _Trace()
    handles = []
    for name, module in model.named_modules():
        if not any(True for _ in module.children()):
            hook = lambda module, inputs, output, name=name: trace.see(name, module, inputs, output)  # noqa: E731
            handles.append(module.register_forward_hook(hook))
    try:
        with in_eval_mode(model), torch.no_grad():
            output = model(example)
    except (RuntimeError, TypeError, ValueError) as error:
        raise ModelError(
            f"The network cannot take inputs of shape {tuple(example.shape)}: {error}"
        ) from error
    finally:
        for handle in handles:
            handle.remove()
    if not trace.layers:
        raise ModelError(
            "No linear or convolution layer ran in the network, so there is nothing to read or prune. "
            "Give a network made of torch.nn.Linear, Conv1d or Conv2d layers."
        )
    return _described(model, trace, output)


def _described(model: nn.Module, trace: _Trace, output: object) -> tuple[Layer, ...]:
    modules = dict(model.named_modules())
    last = trace.made_by.get(id(output), trace.layers[-1][0])
    found: dict[str, Layer] = {}
    for name, shape, reads in trace.layers:
        if name in found:
            continue
        readers = trace.readers.get(name, [])
        weight = modules[name].weight
        found[name] = Layer(
            name=name,
            units=int(weight.shape[0]),
            input_shape=shape,
            reads=reads,
            norm=trace.norms.get(name),
            reader=readers[0] if len(readers) == 1 else None,
            is_output=name == last,
        )
    return tuple(found.values())


def prunable(layers: tuple[Layer, ...], model: nn.Module) -> list[Layer]:
    """Return the layers whose units can be silenced for good: not the output, norm with its own weights."""
    return [
        layer
        for layer in layers
        if not layer.is_output and (layer.norm is None or _scales_units(model, layer.norm, layer.units))
    ]


def _scales_units(model: nn.Module, norm: str, units: int) -> bool:
    """Whether the normalisation has one weight per unit: a layer norm over time has one per frame."""
    weight = getattr(model.get_submodule(norm), "weight", None)
    return weight is not None and len(weight) == units


def reading_points(layers: tuple[Layer, ...]) -> list[Layer]:
    """Return the layers whose input is worth reading: the last of each run of one shape.

    The first entry reads the network's own input. What a layer reads is what the layers before it
    made of the sample, after their activation, whatever function that was.
    """
    distinct: dict[int, Layer] = {}
    for layer in layers:
        distinct.setdefault(layer.reads, layer)
    points = list(distinct.values())
    return [
        point
        for index, point in enumerate(points)
        if index == 0 or index + 1 == len(points) or points[index + 1].input_shape != point.input_shape
    ]


@contextmanager
def read_inputs(model: nn.Module, names: list[str]) -> Iterator[Mapping[str, Tensor]]:
    """Collect what each named layer reads at the next forward pass; hooks are removed afterwards."""
    seen: dict[str, Tensor] = {}
    note = lambda name, _module, inputs: seen.update({name: inputs[0]})  # noqa: E731
    handles = [model.get_submodule(name).register_forward_pre_hook(partial(note, name)) for name in names]
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()


class _Enough(Exception):  # noqa: N818  no error: how a forward pass ends early
    """All that was asked for has been seen."""


@contextmanager
def ended_before(model: nn.Module, name: str | None) -> Iterator[None]:
    """Let one forward pass end where the named module would run; None: it runs to its end."""
    if name is None:
        yield
        return

    def stop(_module: nn.Module, _inputs: tuple[Tensor, ...]) -> None:
        raise _Enough

    handle = model.get_submodule(name).register_forward_pre_hook(stop)
    try:
        with suppress(_Enough):
            yield
    finally:
        handle.remove()


@contextmanager
def read_outputs(model: nn.Module, names: list[str]) -> Iterator[Mapping[str, Tensor]]:
    """Collect what each named module returns at the next forward pass; hooks are removed afterwards."""
    seen: dict[str, Tensor] = {}
    note = lambda name, _module, _inputs, output: seen.update({name: output})  # noqa: E731
    handles = [model.get_submodule(name).register_forward_hook(partial(note, name)) for name in names]
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()
