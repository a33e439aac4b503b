"""The smaller parts of the page."""

from collections.abc import Mapping

from unchaff.evaluate.cost import share
from unchaff.evaluate.metrics import ON_HOLDOUT, Measured
from unchaff.records import Cost, PrunePlan
from unchaff.report.views import Fact, PrunedLayer, StageRow
from unchaff.report.words import MINUS, count, flops, percent, seconds
from unchaff.runs.record import Run

MOST_UNITS = 24  # named per layer


def detection(measured: Measured) -> tuple[Fact, ...]:
    """Return how well the noisy samples were found; nothing where the truth is not known."""
    found = measured.detection
    if found is None:
        return ()
    rows = (
        Fact("AUROC", f"{found.auroc:.3f}", "of the ranking by quality; 0.5 is chance, 1 is perfect"),
        Fact("AUPRC", f"{found.auprc:.3f}", f"of the ranking; chance is {found.noise_rate:.3f}"),
        Fact("F1", f"{found.f1:.3f}", "of the decided split"),
        Fact("Precision", percent(found.precision), "of the samples set aside are noisy"),
        Fact("Recall", percent(found.recall), "of the noisy samples are set aside"),
        Fact("Kept and right", percent(found.kept_precision), "of the kept samples are right"),
        Fact(
            "Missed at the true rate",
            percent(found.fnr_at_rate),
            f"of the noisy are not among the {count(found.num_noisy)} samples of lowest quality",
        ),
        Fact(
            "True noise rate",
            percent(found.noise_rate),
            f"{count(found.num_noisy)} of {count(found.n)} samples",
        ),
    )
    calibration = measured.calibration
    if calibration is None:
        return rows
    return (
        *rows,
        Fact("Calibration error", f"{calibration.error:.3f}", "mean gap between quality and being right"),
    )


def noise_sentence(run: Run) -> str:
    """Return what the split says about the data."""
    split = run.outcome.partition
    if split is None:
        return "This method does not judge single samples."
    sentence = (
        f"About {percent(split.noise_rate)} of {count(len(split.ids))} samples are estimated to be noisy; "
        f"{percent(split.kept_share)} are kept."
    )
    return f"{sentence} {split.reason}".strip()


def pruned(plan: PrunePlan | None) -> tuple[PrunedLayer, ...]:
    """Return the silenced units by layer."""
    if plan is None:
        return ()
    rows = []
    for layer, units in plan.by_layer().items():
        own = [unit.sensitivity for unit in plan.units if unit.layer == layer]
        more = f" and {len(units) - MOST_UNITS} more" if len(units) > MOST_UNITS else ""
        named = ", ".join(str(unit) for unit in units[:MOST_UNITS]) + more
        rows.append(PrunedLayer(layer, len(units), named, f"{max(own, key=abs):+.3f}".replace("-", MINUS)))
    return tuple(rows)


def pruned_sentence(plan: PrunePlan | None) -> str:
    """Return how many units were silenced, and why."""
    if plan is None or not plan.units:
        reason = "" if plan is None else plan.reason
        return f"No unit was silenced. {reason}".strip()
    layers = len(plan.by_layer())
    units, where = _number(len(plan.units), "unit"), _number(layers, "layer")
    return f"{units} in {where} were silenced, and stay silent. {plan.reason}".strip()


def stages(cost: Cost) -> tuple[StageRow, ...]:
    """Return what each stage took, and the whole."""
    rows = [_stage(name, stage) for name, stage in cost.stages.items()]
    return (*rows, _stage("all", cost))


def cost_sentence(run: Run) -> str:
    """Return the cost of the whole beside one full training."""
    full = run.measured.full
    if full is None:
        return "The cost of a full training is not known, so no share can be given."
    parts = share(run.outcome.cost, full)
    told = [
        f"{percent(part)} of the {what}"
        for what, part in (("operations", parts["flops"]), ("wall time", parts["seconds"]))
        if part is not None
    ]
    estimated = ", estimated from the default recipe" if run.measured.full_is_estimated else ""
    if not told:
        return "The cost of a full training was not measured, so no share can be given."
    return (
        f"Scoring included, this took {' and '.join(told)} of one full training of the same "
        f"recipe{estimated}."
    )


def notes(run: Run) -> tuple[str, ...]:
    """Return what limits these numbers, then what the stages noted."""
    found = []
    if run.measured.before is not None:
        found.append(
            "Intervals are Wilson's, at 95 %, of this test alone: they do not hold the spread between seeds."
        )
    if run.measured.measured_on == ON_HOLDOUT:
        found.append("The labels measured against are noisy themselves, for every row alike.")
    if run.measured.detection is None and run.outcome.partition is not None:
        found.append(
            "Which samples are wrong is not known: quality is an estimate, and a suspect may be right."
        )
    said = "" if run.outcome.partition is None else run.outcome.partition.reason
    return tuple(note for note in dict.fromkeys((*found, *run.notes, *run.outcome.notes)) if note != said)


def replay(manifest: Mapping[str, object]) -> tuple[Fact, ...]:
    """Return what has to be the same for the same bytes."""
    names = {
        "seed": "Seed", "versions": "Versions", "hardware": "Hardware", "data": "Data", "weights": "Weights",
        "recipe": "Training recipe",
    }  # fmt: skip
    return tuple(
        Fact(title, _told(manifest[key])) for key, title in names.items() if manifest.get(key) is not None
    )


def config(manifest: Mapping[str, object]) -> tuple[Fact, ...]:
    """Return every setting."""
    settings = manifest.get("config")
    if not isinstance(settings, Mapping):
        return ()
    return tuple(Fact(str(name), _told(value)) for name, value in settings.items())


def _told(value: object) -> str:
    if isinstance(value, Mapping):
        told = (
            f"{name.removesuffix('_sha256')} {_short(each)}"
            for name, each in value.items()
            if each is not None
        )
        return ", ".join(told)
    return "\u2013" if value is None else _short(value)


def _short(value: object) -> str:
    text = str(value)
    is_hash = len(text) == 64 and set(text) <= set("0123456789abcdef")
    return f"{text[:12]}\u2026" if is_hash else text


def _stage(name: str, cost: Cost) -> StageRow:
    return StageRow(name, seconds(cost.seconds), count(cost.samples_seen), flops(cost.flops))


def _number(number: int, word: str) -> str:
    return f"{count(number)} {word}{'' if number == 1 else 's'}"
