"""The repaired network as a program that runs without unchaff."""

import io
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from unchaff.api import load
from unchaff.errors import ModelError
from unchaff.extras import library
from unchaff.nets.text import VOCABULARY
from unchaff.runs.read import RunFolder
from unchaff.streams import Streams
from unchaff.whole import put

BATCH = 3  # of the example a program is recorded and checked with
EQUAL = 1e-5
NEARLY = 1e-4  # another runtime sums in another order


def torch_program(run: RunFolder, file: Path) -> None:
    """Write a torch.export program, for batches of any size.

    Raises:
        ModelError: the network cannot be exported, or the program answers otherwise.
    """
    model, example = _loaded(run)
    program = _exported(model, example)
    buffer = io.BytesIO()
    torch.export.save(program, buffer)
    buffer.seek(0)
    again = torch.export.load(buffer).module()
    _check(model, again, example, EQUAL)
    put(file, buffer.getvalue())


def onnx_program(run: RunFolder, file: Path) -> None:
    """Write an ONNX model with the input `inputs` and the output `logits`, for batches of any size.

    Raises:
        ConfigError: onnx, onnxscript or onnxruntime is not installed.
        ModelError: the network cannot be exported, or the model answers otherwise.
    """
    for each in ("onnx", "onnxscript"):
        library(each, extra="onnx", without="export --format torch")
    runtime = library("onnxruntime", extra="onnx", without="export --format torch")
    model, example = _loaded(run)
    content = _converted(_exported(model, example))
    session = runtime.InferenceSession(content, providers=["CPUExecutionProvider"])

    def answer(inputs: Tensor) -> Tensor:
        return torch.from_numpy(session.run(["logits"], {"inputs": inputs.numpy()})[0])

    _check(model, answer, example, NEARLY)
    put(file, content)


def _converted(program: torch.export.ExportedProgram) -> bytes:
    try:
        made = torch.onnx.export(program, (), input_names=["inputs"], output_names=["logits"], verbose=False)
    except Exception as error:  # what torch raises here differs from version to version
        raise ModelError(f"The network cannot be turned into ONNX: {_first_line(error)}") from error
    if made is None:
        raise ModelError("The network cannot be turned into ONNX. Use --format torch.")
    return made.model_proto.SerializeToString()


def _loaded(run: RunFolder) -> tuple[nn.Module, Tensor]:
    """Return the network and a prepared batch of the kind it takes."""
    if "hub" in run.model:
        raise ModelError(f"{run.path} holds a network of the transformers library. Use --format hub.")
    model = load(run.path)
    shape = (BATCH, *run.model["input"]["shape"])
    generator = Streams(0)("example")
    if run.kind == "text":
        return model, torch.randint(0, VOCABULARY, shape, generator=generator)
    return model, torch.randn(shape, generator=generator)


def _exported(model: nn.Module, example: Tensor) -> torch.export.ExportedProgram:
    sizes = {0: torch.export.Dim("batch", min=1)}
    try:
        return torch.export.export(model, (example,), dynamic_shapes=(sizes,))
    except Exception as error:  # what torch raises here differs from version to version
        raise ModelError(f"The network cannot be exported: {_first_line(error)}") from error


def _check(model: nn.Module, program: Callable[[Tensor], Tensor], example: Tensor, tolerance: float) -> None:
    with torch.no_grad():
        for batch in (example, example[:1]):
            difference = float((program(batch) - model(batch)).abs().max())
            if not difference <= tolerance:
                raise ModelError(
                    f"The program answers otherwise than the network: logits differ by {difference:.2g}, "
                    f"allowed is {tolerance:g}. Nothing was written."
                )


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n", maxsplit=1)[0][:200]
