"""What others take: lists of samples, tables of issues, tasks for annotators, programs."""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from unchaff.exports import annotation, lists, programs
from unchaff.runs.read import RunFolder

Export = Callable[[RunFolder, Path], None]

FORMATS: Mapping[str, Export] = MappingProxyType(
    {
        "ids": lists.ids,
        "quality": lists.quality,
        "dataset": lists.dataset,
        "cleanlab": lists.cleanlab,
        "label-studio": annotation.label_studio,
        "fiftyone": annotation.fiftyone,
        "torch": programs.torch_program,
        "onnx": programs.onnx_program,
    }
)
