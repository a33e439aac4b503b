"""The smaller parts of the page."""

from collections.abc import Mapping

from unchaff.evaluate.cost import share
from unchaff.evaluate.metrics import ON_HOLDOUT
from unchaff.partition.keep import starved
from unchaff.records import PrunePlan
from unchaff.report.reviewed import review_sentences
from unchaff.report.views import Fact
from unchaff.report.words import NONE, count, percent
from unchaff.runs.told import Told


def noise_sentence(run: Told) -> str:
    """Return what the split says about the data."""
    split = run.outcome.partition
    if split is None:
        return "This method does not judge single samples."
    said = (
        f"About {percent(split.noise_rate)} of {count(len(split.ids))} samples are estimated to be noisy; "
        f"{percent(split.kept_share)} are kept."
    )
    if not run.decided.any():
        return said
    who = f"A person decided about {count(int(run.decided.sum()))} of them"
    return f"{said} {who}: those dropped count as noisy, all others as right."


def split_sentence(run: Told) -> str:
    """Return how the split was made."""
    split = run.outcome.partition
    if split is None:
        return "This method makes no split."
    meaning = "Quality is the estimated probability that a sample is fit to learn from."
    return f"{meaning} {split.reason}".strip()


def warnings(run: Told) -> tuple[str, ...]:
    """Return which classes are kept less than half as often as the average."""
    return tuple(starved(run.outcome.partition, run.labels, run.class_names))


def pruned_sentence(plan: PrunePlan | None) -> str:
    """Return how many units were silenced, and why."""
    if plan is None or not plan.units:
        reason = "" if plan is None else plan.reason
        return f"No unit was silenced. {reason}".strip()
    layers = len(plan.by_layer())
    units, where = _number(len(plan.units), "unit"), _number(layers, "layer")
    return f"{units} in {where} were silenced, and stay silent. {plan.reason}".strip()


def cost_sentence(run: Told) -> str:
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


def notes(run: Told) -> tuple[str, ...]:
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
    elsewhere = (said, *warnings(run), *review_sentences(run))
    return tuple(note for note in dict.fromkeys((*found, *run.notes)) if note not in elsewhere)


def replay(run: Told) -> tuple[Fact, ...]:
    """Return what has to be the same for the same bytes."""
    manifest, review = run.manifest, run.measured.review
    names = {
        "seed": "Seed", "versions": "Versions", "hardware": "Hardware", "data": "Data", "weights": "Weights",
        "recipe": "Training recipe",
    }  # fmt: skip
    known = {title: manifest[key] for key, title in names.items() if manifest.get(key) is not None}
    facts = [Fact(title, _told(value)) for title, value in known.items()]
    if review is not None:
        facts.append(Fact("Decisions", f"{count(review.number)}, {_short(review.sha256)}"))
    return tuple(facts)


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
    return NONE if value is None else _short(value)


def _short(value: object) -> str:
    text = str(value)
    is_hash = len(text) == 64 and set(text) <= set("0123456789abcdef")
    return f"{text[:12]}\u2026" if is_hash else text


def _number(number: int, word: str) -> str:
    return f"{count(number)} {word}{'' if number == 1 else 's'}"
