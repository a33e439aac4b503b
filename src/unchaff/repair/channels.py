"""Two channels of doubt, inputs and labels, brought together into one split."""

from dataclasses import replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from unchaff.attribute.readout import clear_disagreement
from unchaff.interfaces import Partitioner
from unchaff.partition.keep import spare_classes
from unchaff.records import Evidence, Partition


def by_inputs(evidence: Evidence, sound: Float[Tensor, " n"]) -> Partition:
    """Split by the inputs alone; `sound` is the probability that an input is not spoiled."""
    kept = spare_classes(sound > 0.5, sound, evidence.labels)
    return Partition(
        ids=evidence.ids,
        quality=sound,
        kept=kept,
        suggested=evidence.suggested,
        evidence=evidence.columns,
        reason=f"{1 - float(sound.mean()):.1%} of the inputs are unlike the others and were set aside.",
    )


def by_both(evidence: Evidence, sound: Float[Tensor, " n"], rule: Partitioner) -> Partition:
    """Split by the labels among the sound inputs, and set the spoiled ones aside.

    Where the labels of the sound inputs give no evidence of noise, the inputs alone decide.
    """
    inputs = by_inputs(evidence, sound)
    inside = sound > 0.5
    labels = rule(restricted(evidence, inside))
    if labels.abstained:
        return replace(inputs, reason=f"{inputs.reason} {labels.reason}")
    quality, kept = sound.clone(), inside.clone()
    quality[inside] = sound[inside] * labels.quality
    kept[inside] = labels.kept
    kept = spare_classes(kept, quality, evidence.labels)
    return replace(inputs, quality=quality, kept=kept, reason=f"{inputs.reason} {labels.reason}")


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
        columns={name: column[inside] for name, column in evidence.columns.items()},
        suggested=suggested,
        confidence=confidence,
        disagreement=disagreement,
        units={name: units[inside] for name, units in evidence.units.items()},
    )
