"""The repaired network as a program that runs without unchaff."""

import io
import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from unchaff.errors import ModelError
from unchaff.extras import library
from unchaff.nets.adapt import logits_of
from unchaff.nets.build import NETS, from_factory
from unchaff.prune.remove import removable, remove
from unchaff.prune.sizes import said, timed
from unchaff.runs.read import RunFolder
from unchaff.runs.rebuilt import example, filter_of, is_drawing, is_smaller, network, pruned
from unchaff.whole import put

EQUAL = 1e-5
NEARLY = 1e-4  # another runtime sums in another order


@runtime_checkable
class Program(Protocol):
    """Writes a program."""

    def __call__(
        self, run: RunFolder, file: Path, *, smaller: bool = False, factory: str | None = None
    ) -> str:
        """Write it, and return what to say of it."""
        ...


def torch_program(run: RunFolder, file: Path, *, smaller: bool = False, factory: str | None = None) -> str:
    """Write a torch.export program, for batches of any size.

    Args:
        run: with a network.
        file: to write.
        smaller: take the pruned units out first.
        factory: pkg.module:function that makes the plain network, where it is not built in.

    Returns:
        what that saved; else nothing.

    Raises:
        ConfigError: torch-pruning is needed, and not installed.
        ModelError: the network cannot be exported, or the program answers otherwise.
    """
    model, inputs, saved = _loaded(run, smaller=smaller, factory=factory)
    program = _exported(model, inputs)
    buffer = io.BytesIO()
    torch.export.save(program, buffer)
    buffer.seek(0)
    again = torch.export.load(buffer).module()
    _check(model, again, inputs, EQUAL)
    put(file, buffer.getvalue())
    return saved


def onnx_program(run: RunFolder, file: Path, *, smaller: bool = False, factory: str | None = None) -> str:
    """Write an ONNX model with the input `inputs` and the output `logits`, for batches of any size.

    Arguments and what is returned are those of `torch_program`.

    Raises:
        ConfigError: onnx, onnxscript, onnxruntime or, if needed, torch-pruning is not installed.
        ModelError: the network cannot be exported, or the model answers otherwise.
    """
    for each in ("onnx", "onnxscript"):
        library(each, extra="onnx", without="export --format torch")
    runtime = library("onnxruntime", extra="onnx", without="export --format torch")
    model, inputs, saved = _loaded(run, smaller=smaller, factory=factory)
    content = _converted(_exported(model, inputs))
    session = runtime.InferenceSession(content, providers=["CPUExecutionProvider"])

    def answer(batch: Tensor) -> Tensor:
        return torch.from_numpy(session.run(["logits"], {"inputs": batch.numpy()})[0])

    _check(model, answer, inputs, NEARLY)
    put(file, content)
    return saved


def _converted(program: torch.export.ExportedProgram) -> bytes:
    try:
        with _unheard():
            made = torch.onnx.export(
                program, (), input_names=["inputs"], output_names=["logits"], verbose=False
            )
    except Exception as error:  # what torch raises here differs from version to version
        raise ModelError(f"The network cannot be turned into ONNX: {_first_line(error)}") from error
    if made is None:
        raise ModelError("The network cannot be turned into ONNX. Use --format torch.")
    return made.model_proto.SerializeToString()


@contextmanager
def _unheard() -> Iterator[None]:
    """Keep what the exporter says of its own parts from the user, who can do nothing about it."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            for kind in (FutureWarning, DeprecationWarning):
                warnings.simplefilter("ignore", kind)
            yield
    finally:
        logger.setLevel(level)


class _Answering(nn.Module):
    """Answers with the logits alone, whatever else a network returns."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, inputs: Tensor) -> Tensor:
        return logits_of(self.model(inputs))


def _loaded(run: RunFolder, *, smaller: bool, factory: str | None) -> tuple[nn.Module, Tensor, str]:
    """Return the network, a prepared batch of the kind it takes, and what taking units out saved."""
    if "hub" in run.model:
        raise ModelError(
            f"{run.path} holds a network of the transformers library. Use --format hub; tools such as "
            "optimum make programs of that folder."
        )
    if run.kind == "packed":
        raise ModelError(f"{run.path} holds a network of several inputs, which have no fixed shape here.")
    if is_drawing(run):
        raise ModelError(
            f"{run.path} holds denoising blocks that draw, and a program has to answer the same each time. "
            "Repair with DenoiseBlocks(draws=False)."
        )
    if filter_of(run) is not None:
        raise ModelError(
            f"{run.path} holds a filter of inputs, which looks inside of the network and again at what it "
            "cleaned: no program can. Use unchaff.load(run)."
        )
    inputs, plain = example(run), None
    if factory is not None:
        plain = from_factory(factory, tuple(run.model["input"]["shape"]), len(run.class_names))
    elif run.model["model"] not in NETS:
        raise ModelError(
            f"{run.path} holds the network {run.model['model']!r}, which is not built in. "
            "Give --model pkg.module:factory, which makes it."
        )
    model, saved = network(run, plain=plain), ""
    if smaller:
        model, saved = _without_pruned(run, model, inputs)
    with torch.no_grad():
        answers = isinstance(model(inputs), Tensor)
    return (model if answers else _Answering(model).eval()), inputs, saved


def _without_pruned(run: RunFolder, model: nn.Module, inputs: Tensor) -> tuple[nn.Module, str]:
    """Take out what the run silenced, and check that the network answers as before."""
    silenced = pruned(run)
    if not silenced.units or is_smaller(run):
        raise ModelError(
            f"{run.path} holds no silenced units. Leave --remove-pruned out, or repair with unlearn-pruned."
        )
    plan = removable(model, silenced, inputs)
    smaller = remove(model, plan, inputs)
    _check(model, smaller, inputs, EQUAL)
    saved = f"{said(model, smaller, inputs)}, {timed(model, smaller, inputs)}"
    units = f"{len(plan.units)} of {len(silenced.units)} pruned units were taken out"
    return smaller, f"{units}: {saved}."


def _exported(model: nn.Module, inputs: Tensor) -> torch.export.ExportedProgram:
    sizes = {0: torch.export.Dim("batch", min=1)}
    try:
        return torch.export.export(model, (inputs,), dynamic_shapes=(sizes,))
    except Exception as error:  # what torch raises here differs from version to version
        raise ModelError(f"The network cannot be exported: {_first_line(error)}") from error


def _check(model: nn.Module, program: Callable[[Tensor], Tensor], inputs: Tensor, tolerance: float) -> None:
    with torch.no_grad():
        for batch in (inputs, inputs[:1]):
            difference = float((logits_of(program(batch)) - logits_of(model(batch))).abs().max())
            if not difference <= tolerance:
                raise ModelError(
                    f"The program answers otherwise than the network: logits differ by {difference:.2g}, "
                    f"allowed is {tolerance:g}. Nothing was written."
                )


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n", maxsplit=1)[0][:200]
