"""Two channels of doubt, inputs and labels, brought together into one split."""

from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Bool, Float
from numpy.typing import NDArray
from sklearn.metrics import cohen_kappa_score
from torch import Tensor

from unchaff.attribute.readout import clear_disagreement
from unchaff.interfaces import Partitioner
from unchaff.partition.decided import Decided, imposed
from unchaff.partition.keep import spare_classes
from unchaff.partition.transition import Transition
from unchaff.records import Evidence, Partition

DISPUTED = Transition(floor=0.02, fewest=1)  # when labels of sound inputs are acted on beside spoiled ones
READABLE = 0.87  # of the agreement on sound inputs: so well are spoiled ones read that are worth keeping


def by_inputs(evidence: Evidence, sound: Float[Tensor, " n"]) -> Partition:
    """Split by the inputs alone; `sound` is the probability that an input is not spoiled.

    Spoiled inputs whose labels can be read nearly as well as those of the others are kept: noise that
    leaves the label readable is augmentation.
    """
    inside = sound > 0.5
    kept, done = inside, "were set aside"
    if _is_readable(evidence, inside):
        kept, done = torch.ones_like(inside), "are learned from all the same, for their labels can be read"
    kept = spare_classes(kept, sound, evidence.labels)
    return Partition(
        ids=evidence.ids,
        quality=sound,
        kept=kept,
        suggested=evidence.suggested,
        evidence=evidence.columns,
        reason=f"{1 - float(sound.mean()):.1%} of the inputs are unlike the others and {done}.",
    )


def by_both(evidence: Evidence, sound: Float[Tensor, " n"], rule: Partitioner) -> Partition:
    """Split by the labels among the sound inputs, and decide which of the others can still be read.

    Where the labels of the sound inputs give no evidence of noise, or so little that spoiled inputs in
    what reads them explain it, the inputs alone decide. Spoiled inputs whose own label is read from them
    are kept where that can be trusted; their quality stays low, for it speaks of the input. What a person
    decided holds for both.
    """
    split = _by_both(evidence, sound, rule)
    return imposed(split, rule.decisions) if isinstance(rule, Decided) else split


def _by_both(evidence: Evidence, sound: Float[Tensor, " n"], rule: Partitioner) -> Partition:
    inputs = by_inputs(evidence, sound)
    inside = sound > 0.5
    labels = rule(restricted(evidence, inside))
    if labels.abstained:
        return replace(inputs, reason=f"{inputs.reason} {labels.reason}")
    tally = DISPUTED.tally(labels.quality)
    if not DISPUTED.is_noisy(tally):
        share = tally.wrong / tally.size
        reason = f"{share:.1%} of the labels of the others are surely wrong, too few to act on beside that."
        return replace(inputs, reason=f"{inputs.reason} {reason}")
    quality, kept = sound.clone(), torch.zeros_like(inside)
    quality[inside] = sound[inside] * labels.quality
    kept[inside] = labels.kept
    reason = f"{1 - float(sound.mean()):.1%} of the inputs are unlike the others. {labels.reason}"
    if _is_readable(evidence, inside):
        kept |= _readable(evidence, inside)
        reason += f" {int((kept & ~inside).sum())} unlike the others still show their label: learned from."
    kept = spare_classes(kept, quality, evidence.labels)
    suggested = inputs.suggested
    if suggested is not None and labels.suggested is not None:
        suggested = suggested.clone()
        suggested[inside] = labels.suggested
    return replace(
        inputs,
        quality=quality,
        kept=kept,
        suggested=suggested,
        evidence=_columns(inputs, labels, inside),
        reason=reason,
    )


def _columns(inputs: Partition, labels: Partition, inside: Bool[Tensor, " n"]) -> dict[str, Tensor]:
    """Return the columns of evidence, and those the rule has added for the samples it saw."""
    columns = dict(inputs.evidence)
    for name, column in labels.evidence.items():
        if name not in columns:
            columns[name] = torch.full((len(inside), *column.shape[1:]), float("nan"))
            columns[name][inside] = column.float()
    return columns


def _readable(evidence: Evidence, inside: Bool[Tensor, " n"]) -> Bool[Tensor, " n"]:
    """Return which spoiled inputs still show their given label."""
    if evidence.suggested is None:
        return torch.zeros_like(inside)
    return ~inside & (evidence.suggested == evidence.labels)


def _is_readable(evidence: Evidence, inside: Bool[Tensor, " n"]) -> bool:
    """Return whether labels are read from spoiled inputs nearly as well as from sound ones.

    How well is Cohen's kappa between what is read and what was given: agreement beyond that of chance.
    """
    if evidence.suggested is None or bool(inside.all()):
        return False
    read, given = evidence.suggested.numpy(), evidence.labels.numpy()
    parts = (~inside.numpy(), inside.numpy())
    spoiled, sound = (_agreement(read[part], given[part]) for part in parts)
    return spoiled > READABLE * sound


def _agreement(read: NDArray[np.int64], given: NDArray[np.int64]) -> float:
    return 1.0 if (read == given).all() else float(cohen_kappa_score(read, given))


def restricted(evidence: Evidence, inside: Bool[Tensor, " n"]) -> Evidence:
    """Return the evidence about some of the samples."""
    suggested, confidence, labels = evidence.suggested, evidence.confidence, evidence.labels[inside]
    disagreement = evidence.disagreement
    if suggested is not None and confidence is not None:
        suggested, confidence = suggested[inside], confidence[inside]
        if disagreement is not None:
            disagreement = clear_disagreement(suggested, confidence, labels)
    return replace(
        evidence,
        ids=evidence.ids[inside.numpy()],
        labels=labels,
        total=evidence.total[inside],
        opinions={name: opinion[inside] for name, opinion in evidence.opinions.items()},
        columns={name: column[inside] for name, column in evidence.columns.items()},
        suggested=suggested,
        confidence=confidence,
        disagreement=disagreement,
        units={name: units[inside] for name, units in evidence.units.items()},
    )
