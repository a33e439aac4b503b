"""What others take: lists of samples, tables of issues, tasks for annotators, programs."""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from unchaff.exports import annotation, lists, model_folder, programs
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
        "hub": model_folder.model_folder,
    }
)
PROGRAMS: Mapping[str, programs.Program] = MappingProxyType(
    {"torch": programs.torch_program, "onnx": programs.onnx_program}
)
