"""What a reader has to know about a run: limits, warnings, what was planted or decided."""

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from unchaff import noise as noises
from unchaff.data.options import Skipped
from unchaff.evaluate.reviewed import Review
from unchaff.partition.keep import starved
from unchaff.records import Outcome, Partition

if TYPE_CHECKING:
    from unchaff.bench.cell import Cell, Material

SHOWN = 5  # reasons and ids in a sentence


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
    if split is not None:
        samples = material.loaded.train
        notes += starved(split.kept, samples.labels.cpu(), samples.class_names)
    return notes


def left_out(skipped: Sequence[Skipped]) -> list[str]:
    """Return how many samples cannot be used, and why; nothing where there are none."""
    if not skipped:
        return []
    reasons = Counter(one.reason for one in skipped)
    told = ", ".join(f"{reason}: {number}" for reason, number in reasons.most_common(SHOWN))
    some = ", ".join(str(one.id) for one in skipped[:SHOWN])
    unlabelled = " A label of -1, or an empty one, means that there is none." if "no label" in reasons else ""
    return [f"{len(skipped)} samples cannot be used and are left out ({told}), such as {some}.{unlabelled}"]
