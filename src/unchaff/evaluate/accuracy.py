"""How often a network is right, from whole counts, with an interval."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor, nn

from unchaff.errors import ModelError
from unchaff.evaluate.interval import wilson
from unchaff.filled import joined
from unchaff.nets.hooks import in_eval_mode
from unchaff.nets.looking import looked_at
from unchaff.samples import Batch, Samples
from unchaff.streams import Streams


@dataclass(frozen=True)
class ClassScore:
    """One class; precision and recall are 0 where nothing was predicted or nothing is there."""

    name: str
    support: int  # samples with this label
    precision: float
    recall: float
    f1: float


@dataclass(frozen=True, kw_only=True)
class Scores:
    """Fractions in [0, 1]; higher is better."""

    accuracy: float
    macro_precision: float  # means over the classes that were labelled or predicted
    macro_recall: float
    macro_f1: float
    per_class: tuple[ClassScore, ...]
    n: int
    interval: tuple[float, float]  # 95 % Wilson interval of the accuracy


def logits(model: nn.Module, samples: Samples, batch_size: int = 512) -> Float[Tensor, "n classes"]:
    """Return the outputs of the network for all samples, in canonical order, on their device.

    Neither the mode of a module nor the global random numbers are changed.

    Raises:
        ModelError: if the outputs are not one row of one number per class.
    """
    return joined(_outputs(model, samples, batch_size), len(samples))


def predict(model: nn.Module, samples: Samples, batch_size: int = 512) -> Int[Tensor, " n"]:
    """Return the class with the highest output for each sample; no outputs are kept."""
    found = (outputs.argmax(dim=1) for outputs in _outputs(model, samples, batch_size))
    return joined(found, len(samples))


def score(model: nn.Module, samples: Samples) -> Scores:
    """Return how well the network predicts the labels of these samples."""
    return score_predictions(predict(model, samples), samples.labels, samples.class_names)


def score_predictions(
    predicted: Int[Tensor, " n"], labels: Int[Tensor, " n"], class_names: tuple[str, ...]
) -> Scores:
    """Return how well these predictions match these labels."""
    k = len(class_names)
    pairs = (labels * k + predicted).cpu().numpy()
    confusion = np.bincount(pairs, minlength=k * k).reshape(k, k)  # rows: labels, columns: predictions
    per_class = tuple(_class_score(name, confusion, index) for index, name in enumerate(class_names))
    is_present = (confusion.sum(0) + confusion.sum(1)) > 0
    present = [scores for scores, here in zip(per_class, is_present, strict=True) if here]
    correct, n = int(np.trace(confusion)), int(confusion.sum())
    return Scores(
        accuracy=correct / n,
        macro_precision=sum(scores.precision for scores in present) / len(present),
        macro_recall=sum(scores.recall for scores in present) / len(present),
        macro_f1=sum(scores.f1 for scores in present) / len(present),
        per_class=per_class,
        n=n,
        interval=wilson(correct, n),
    )


def _outputs(model: nn.Module, samples: Samples, batch_size: int) -> Iterator[Float[Tensor, "b classes"]]:
    with in_eval_mode(model), Streams(0).forked_global("evaluate"), torch.inference_mode():
        yield from looked_at(samples, partial(_answer, model, samples), size=batch_size, name="evaluate")


def _answer(model: nn.Module, samples: Samples, batch: Batch) -> Float[Tensor, "b classes"]:
    inputs = batch.inputs
    if inputs.ndim == 4:
        inputs = inputs.contiguous(memory_format=torch.channels_last)
    return _checked(model(inputs), len(batch.rows), samples.num_classes).float()


def _class_score(name: str, confusion: NDArray[np.int64], index: int) -> ClassScore:
    hits, predicted, support = (
        int(count) for count in (confusion[index, index], confusion[:, index].sum(), confusion[index].sum())
    )
    return ClassScore(
        name=name,
        support=support,
        precision=hits / predicted if predicted else 0.0,
        recall=hits / support if support else 0.0,
        f1=2 * hits / (predicted + support) if predicted + support else 0.0,
    )


def _checked(outputs: object, num_rows: int, num_classes: int) -> Tensor:
    if not isinstance(outputs, Tensor):
        raise ModelError(
            f"The network returned {type(outputs).__name__}, not a tensor of shape "
            f"({num_rows}, {num_classes}). Wrap it so that its forward returns the logits."
        )
    if outputs.dim() != 2 or len(outputs) != num_rows or outputs.shape[1] < num_classes:
        raise ModelError(
            f"The network returned shape {tuple(outputs.shape)} for {num_rows} samples of "
            f"{num_classes} classes. It must return ({num_rows}, {num_classes}): build it with "
            f"{num_classes} outputs."
        )
    return outputs[:, :num_classes]
