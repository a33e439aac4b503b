"""The samples that can be trusted least, and how any sample is shown."""

import numpy as np
from torch import Tensor

from unchaff.errors import UnchaffError
from unchaff.report.reasons import Ranks, reasons
from unchaff.report.thumbnails import media, written
from unchaff.report.views import Driver, Media, Suspect, UnitView
from unchaff.report.words import count, number, percent
from unchaff.runs.told import Told
from unchaff.samples import Ids, Samples

MOST = 50
FEW = 6  # where no sample is set aside for being noisy


class Gallery:
    """Shows samples by id; where they cannot be read, nothing, and why."""

    def __init__(self, samples: Samples | None, missing: str = "") -> None:
        self.missing = missing
        self._samples = samples

    def show(self, ids: Ids, names: list[str], *, plays: bool = True) -> list[Media]:
        """Return one picture, sound, text or row for each id.

        Args:
            ids: in any order.
            names: of their given labels.
            plays: sounds can be listened to; else they are only drawn.
        """
        samples = self._samples
        if samples is None or not len(ids):
            return [Media()] * len(ids)
        rows = np.searchsorted(samples.ids, ids)
        if samples.texts is not None:
            return [written(str(samples.texts[row])) for row in rows]
        try:
            raw: Tensor = samples.source.raw(rows)
        except (UnchaffError, OSError) as error:
            self.missing = " ".join(str(error).split())
            self._samples = None
            return [Media()] * len(ids)
        pairs = zip(raw, names, strict=True)
        return [media(each, samples.kind, name, plays=plays, columns=samples.columns) for each, name in pairs]


def worst(run: Told, gallery: Gallery, most: int = MOST) -> tuple[Suspect, ...]:
    """Return the samples of lowest quality nobody decided about, lowest first.

    Ties are ordered by the evidence, then by id.
    """
    split = run.outcome.partition
    if split is None:
        return ()
    order = Ranks.of(split).worst_first(split.quality.numpy())
    rows = order[~run.decided[order]][: min(most, FEW) if split.abstained else most]
    given, suggested = _names(run, run.labels, rows), _names(run, run.suggested, rows)
    shown = gallery.show(run.ids[rows], given)
    said = reasons(split, rows.tolist(), given)
    return tuple(
        Suspect(
            id=str(run.ids[row]),
            given=given[place],
            suggested=suggested[place],
            quality=float(split.quality[row]),
            kept=bool(split.kept[row]),
            why=said[place],
            evidence=tuple((name, number(float(values[row]))) for name, values in split.evidence.items()),
            media=shown[place],
        )
        for place, row in enumerate(rows.tolist())
    )


def suspects_sentence(run: Told, number: int) -> str:
    """Return what is listed."""
    if run.outcome.partition is None:
        return "This method does not judge single samples."
    if run.outcome.partition.abstained:
        return f"No sample stands out, for there is no evidence of noise. The {count(number)} that come last:"
    which = " that nobody decided about" if run.decided.any() else ""
    return (
        f"The {count(number)} of lowest quality{which}, lowest first. Quality is the estimated probability "
        "that a sample is fit to learn from; why names the evidence that spoke most clearly against it."
    )


def units(run: Told, gallery: Gallery) -> tuple[UnitView, ...]:
    """Return the strongest pruned units with the samples that drove them most."""
    sensitivity = {} if run.outcome.plan is None else {
        (unit.layer, unit.unit): unit.sensitivity for unit in run.outcome.plan.units
    }  # fmt: skip
    split, found = run.outcome.partition, []
    for drive in run.drives:
        rows = np.searchsorted(run.ids, drive.ids)
        given, suggested = _names(run, run.labels, rows), _names(run, run.suggested, rows)
        kept = [split is None or bool(split.kept[row]) for row in rows.tolist()]
        shown = gallery.show(drive.ids, given, plays=False)
        own = sensitivity.get((drive.layer, drive.unit))
        felt = "" if own is None else f"Sensitivity {number(own)}. "
        aside = kept.count(False)
        found.append(
            UnitView(
                name=f"Unit {drive.unit} of layer {drive.layer}",
                sentence=f"{felt}Set aside of these {len(kept)}: {aside}.",
                drivers=tuple(
                    Driver(
                        id=str(drive.ids[place]),
                        given=given[place],
                        suggested=suggested[place],
                        kept=kept[place],
                        activation=f"{drive.activations[place]:.1f}\u00d7",
                        media=shown[place],
                    )
                    for place in range(len(rows))
                ),
            )
        )
    return tuple(found)


def units_sentence(run: Told) -> str:
    """Return what is shown of the pruned units."""
    if not run.drives:
        return ""
    among, split = run.drives[0].among, run.outcome.partition
    aside = "" if split is None else f" Of all samples, {percent(1 - split.kept_share)} are set aside."
    return (
        f"What the {len(run.drives)} strongest of them responded to, before they were silenced: the samples "
        f"that drove each most among {count(among)} looked at, and how many times the average.{aside}"
    )


def _names(run: Told, labels: Tensor, rows: "np.ndarray[tuple[int], np.dtype[np.int64]]") -> list[str]:
    return [run.class_names[int(labels[row])] for row in rows.tolist()]
