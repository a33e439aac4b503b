"""What a reader has to know about a run: limits, warnings, what was planted or decided."""

from typing import TYPE_CHECKING

from unchaff import noise as noises
from unchaff.data.assemble import left_out
from unchaff.evaluate.reviewed import Review
from unchaff.partition.keep import starved
from unchaff.records import Outcome, Partition

if TYPE_CHECKING:
    from unchaff.bench.cell import Cell, Material


def notes_of(
    cell: "Cell", material: "Material", outcome: Outcome, split: Partition | None, review: Review | None
) -> list[str]:
    """Return them, one sentence or two each; `split` covers what was held out too."""
    notes = [*material.loaded.notes, *left_out(material.loaded.skipped)]
    if material.recorded is not None:
        notes.append(material.recorded.said)
    if material.truth is not None and cell.noise != "none":
        rate = noises.realised(material.truth, material.loaded.train).rate
        notes.append(
            f"Planted {cell.noise}: {rate:.2%} of the {len(material.loaded.train)} samples are noisy."
        )
    if review is not None:
        notes += review.said
    was_trained = cell.weights is not None or cell.options.hub is not None
    if was_trained and material.observed.holdout is not None:
        notes.append(
            "No test data were given, and the network may have been trained on the samples held out here: "
            "its accuracy before the repair may be flattered."
        )
    notes += outcome.notes
    samples = material.loaded.train
    return [*notes, *starved(split, samples.labels, samples.class_names)]
