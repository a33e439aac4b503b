"""What passes through a network while it runs: read on the way, hooks removed afterwards."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

WHOLE = (nn.MultiheadAttention, nn.RNNBase)  # read as one layer: their parts do not run as modules
FEATURES_LAST = (nn.Linear, *WHOLE)  # of a sequence or a picture, features are the last axis


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


def features_first(module: nn.Module, read: Tensor) -> Tensor:
    """Return what a module reads as (b, features, ...), whichever axis it keeps features on."""
    is_last = isinstance(module, FEATURES_LAST) and read.dim() > 2
    return read.movedim(-1, 1) if is_last else read


@contextmanager
def removed_after(handles: list[RemovableHandle]) -> Iterator[None]:
    """Take hooks off again at the end of the block."""
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def read_inputs(model: nn.Module, names: list[str]) -> Iterator[Mapping[str, Tensor]]:
    """Collect what each named layer reads at the next forward pass, as (b, features, ...).

    Of a layer that runs several times, what it reads first. Hooks are removed afterwards.
    """
    seen: dict[str, Tensor] = {}

    def note(name: str, module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        seen.setdefault(name, features_first(module, inputs[0]))

    handles = [model.get_submodule(name).register_forward_pre_hook(partial(note, name)) for name in names]
    with removed_after(handles):
        yield seen


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
    with removed_after([handle]), suppress(_Enough):
        yield


@contextmanager
def read_outputs(model: nn.Module, names: list[str]) -> Iterator[Mapping[str, Tensor]]:
    """Collect what each named module returns at the next forward pass; hooks are removed afterwards."""
    seen: dict[str, Tensor] = {}
    note = lambda name, _module, _inputs, output: seen.update({name: output})  # noqa: E731
    handles = [model.get_submodule(name).register_forward_hook(partial(note, name)) for name in names]
    with removed_after(handles):
        yield seen
