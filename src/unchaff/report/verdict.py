"""Was it worth it? Said from the numbers, also when the answer is no."""

from typing import Literal

from unchaff.evaluate.accuracy import Scores
from unchaff.evaluate.cost import gap_recovered, share
from unchaff.evaluate.metrics import ON_TEST, Measured
from unchaff.partition.transition import BLIND
from unchaff.records import Cost, Outcome, Partition
from unchaff.report.views import Verdict
from unchaff.report.words import NBSP, count, percent, points

YARDSTICK = "oracle"  # knows the truth, so it is a ceiling and no rival
RETRAIN = "retrain"  # the control everybody asks about

SMALL, LARGE = 0.03, 0.1  # difference of an estimated rate of noise from the true one
FEW = "fair: a few wrong labels cannot be told from none."

Tone = Literal["good", "plain", "bad"]


def verdict(measured: Measured, outcome: Outcome) -> Verdict:
    """Return the answer in one sentence, how sure it is, the comparison behind it, and what limits it."""
    split, before, after = outcome.partition, measured.before, measured.after
    if before is None:
        advice = "Save it with test= to see what the repair is worth."
        return Verdict("plain", _unmeasured(split), (advice,), "none: nothing was measured.")
    if after is None:
        return Verdict("plain", _scored(split), _where(measured, before), _of_estimate(measured, split))
    if split is not None and split.abstained:
        tone, sentence = _abstained(split, before, after)
    else:
        tone, sentence = _judged(measured, outcome, before, after)
    unsure = tone == "plain" and split is not None and split.abstained
    details = (
        *_rivals(measured, after),
        *_price(measured, outcome, before, after),
        *_where(measured, before),
    )
    sure = FEW if unsure else _confidence(measured, before, after)
    return Verdict(tone, sentence, details, f"{sure}{_off(measured, split)}")


def best_rival(measured: Measured) -> tuple[str, Scores] | None:
    """Return the control with the highest accuracy, the oracle left out."""
    rivals = [(name, each.scores) for name, each in measured.controls.items() if name != YARDSTICK]
    return max(rivals, key=lambda rival: rival[1].accuracy, default=None)


def overlap(one: Scores, other: Scores) -> bool:
    """Return whether the intervals of two accuracies overlap: then the order may be chance."""
    return one.interval[0] <= other.interval[1] and other.interval[0] <= one.interval[1]


def _scored(split: Partition | None) -> str:
    if split is None:
        return "The samples were scored; the network was left as it was."
    if split.abstained:
        return _untouched(split)
    return f"{_noise(split)}; the network was left as it was."


def _unmeasured(split: Partition | None) -> str:
    if split is None:
        return "The network was repaired, and nothing was measured."
    if split.abstained:
        return _untouched(split)
    return f"{_noise(split)}; the network was repaired, and nothing was measured."


def _noise(split: Partition) -> str:
    """Return how much looks wrong, as the beginning of a sentence."""
    what = "samples look unfit to learn from" if split.threshold is None else "labels look wrong"
    return f"About {percent(split.noise_rate, 0)} of the {what}"


def _untouched(split: Partition) -> str:
    """Return why a split keeps everything."""
    if BLIND in split.reason:
        return f"{BLIND} Every sample is kept."
    return "There is nothing to repair: no evidence of noise was found, and every sample is kept."


def _abstained(split: Partition, before: Scores, after: Scores) -> tuple[Tone, str]:
    sentence = _untouched(split)
    if after.accuracy < before.accuracy:
        return "bad", f"{sentence} Yet the network got worse: {_from_to(before, after)}."
    return "plain", sentence


def _judged(measured: Measured, outcome: Outcome, before: Scores, after: Scores) -> tuple[Tone, str]:
    rival, split = best_rival(measured), outcome.partition
    noise = "" if split is None else f"{_noise(split)[0].lower()}{_noise(split)[1:]}; "
    change = f"accuracy on {_on(measured)} {_from_to(before, after)}"
    said = f"{noise}{change}{_retrained(measured, outcome)}"
    if after.accuracy < before.accuracy:
        doubt = ", which may be chance" if overlap(before, after) else ""
        return "bad", f"Not worth repairing: {noise}{change}{doubt}. Keep the network you had."
    if after.accuracy == before.accuracy:
        return "plain", f"Not worth repairing: {noise}accuracy on {_on(measured)} {_stayed(after)}."
    if rival is not None and rival[1].accuracy > after.accuracy:
        is_other = RETRAIN in measured.controls and rival[0] != RETRAIN
        told = _retrained(measured, outcome) if is_other else ""
        return _beaten(before, after, rival, f"{noise}{change}{told}")
    if overlap(before, after):
        return "plain", f"Perhaps worth repairing: {said}; the gain may be chance."
    return "good", f"Worth repairing: {said}."


def _beaten(before: Scores, after: Scores, rival: tuple[str, Scores], said: str) -> tuple[Tone, str]:
    name, scores = rival
    theirs = f"the control {name} did better with {percent(scores.accuracy)}"
    if overlap(scores, after):
        worth = (
            "Perhaps worth repairing" if overlap(before, after) else "Worth repairing, this way or another"
        )
        return "plain", f"{worth}: {said}; {theirs}, which may be chance."
    return "bad", f"Not worth repairing this way: {said}, but {theirs}: prefer that one."


def _retrained(measured: Measured, outcome: Outcome) -> str:
    """Return what retraining gives at which cost, or else the best control; nothing where none was run."""
    rival = best_rival(measured)
    if rival is None:
        return ""
    name = RETRAIN if RETRAIN in measured.controls else rival[0]
    control = measured.controls[name]
    who = "retraining" if name == RETRAIN else f"the control {name}"
    return f", {who} gives {percent(control.scores.accuracy)}{_at(control.cost, outcome.cost)}"


def _at(cost: Cost, ours: Cost) -> str:
    """Return a cost beside ours, in operations where they are known, else in seconds."""
    known = cost.flops > 0 and ours.flops > 0
    theirs, own = (cost.flops, ours.flops) if known else (cost.seconds, ours.seconds)
    if theirs <= 0 or own <= 0:
        return ""
    ratio = theirs / own
    if 0.95 <= ratio <= 1.05:
        return " at the same cost"
    return f" at {ratio:.1f} times the cost" if ratio > 1 else f" at {percent(ratio, 0)} of the cost"


def _on(measured: Measured) -> str:
    if measured.measured_on == ON_TEST:
        return "your test set"
    return "held-out samples with their noisy labels"


def _from_to(before: Scores, after: Scores) -> str:
    return f"{before.accuracy * 100:.1f}{NBSP}\u2192{NBSP}{percent(after.accuracy)}"


def _stayed(after: Scores) -> str:
    return f"stayed at {percent(after.accuracy)}"


def _confidence(measured: Measured, before: Scores, after: Scores) -> str:
    """Return how far the comparison can be trusted, and why."""
    rival = best_rival(measured)
    n = count(before.n)
    if overlap(before, after):
        return f"low: on {n} samples the 95{NBSP}% intervals before and after overlap."
    apart = f"on {n} samples the 95{NBSP}% intervals before and after lie apart"
    if measured.measured_on != ON_TEST:
        return f"fair: {apart}, but the labels measured against are noisy."
    if after.accuracy < before.accuracy:  # whatever a control did, it is worse than nothing
        return f"high: {apart}."
    if rival is not None and overlap(rival[1], after):
        return f"fair: {apart}, those of the repaired network and of {rival[0]} overlap."
    also = "" if rival is None else f", and so do those of the best control, {rival[0]}"
    return f"high: {apart}{also}."


def _of_estimate(measured: Measured, split: Partition | None) -> str:
    if split is None:
        return ""
    if measured.detection is None:
        return "fair: which samples are wrong is not known, and nothing but the estimate speaks of it."
    wrong = abs(split.noise_rate - measured.detection.noise_rate)
    level = "high" if wrong <= SMALL else "fair" if wrong <= LARGE else "low"
    return f"{level}: the true rate is {percent(measured.detection.noise_rate)}."


def _off(measured: Measured, split: Partition | None) -> str:
    """Return how far the estimated rate of noise is off, where both rates are of the same samples."""
    if split is None or measured.detection is None or measured.review is not None:
        return ""
    true = measured.detection.noise_rate
    apart = points(abs(split.noise_rate - true))[1:]
    where = "above" if split.noise_rate > true else "below"
    return f" The estimated rate of noise is {apart} points {where} the true one, {percent(true)}."


def _rivals(measured: Measured, after: Scores) -> tuple[str, ...]:
    rival = best_rival(measured)
    if rival is None:
        return ("No control was run, so this does not show that another way would not have done the same.",)
    name, scores = rival
    apart = points(after.accuracy - scores.accuracy)
    if apart.startswith("\u00b1"):
        return (f"Level with the best control, {name} ({percent(scores.accuracy)}).",)
    difference = f"{apart} points against the best control, {name}"
    doubt = "; the intervals overlap, so this order may be chance" if overlap(scores, after) else ""
    return (f"{difference} ({percent(scores.accuracy)}){doubt}.",)


def _price(measured: Measured, outcome: Outcome, before: Scores, after: Scores) -> tuple[str, ...]:
    found = []
    if measured.full is not None and (part := share(outcome.cost, measured.full)["flops"]) is not None:
        about = "an estimated " if measured.full_is_estimated else ""
        found.append(
            f"It took {about}{percent(part, 0)} of the operations of one full training, scoring included."
        )
    oracle = measured.controls.get(YARDSTICK)
    if oracle is not None:
        gap = gap_recovered(before.accuracy, after.accuracy, oracle.scores.accuracy)
        if gap is not None and gap > 0:  # a loss is the verdict itself
            found.append(f"It made {percent(gap, 0)} of the way to the oracle, which knows the true labels.")
    return tuple(found)


def _where(measured: Measured, before: Scores) -> tuple[str, ...]:
    n = count(before.n)
    if measured.measured_on == ON_TEST:
        return (f"Measured on {n} test samples.",)
    told = (
        f"Measured on {n} held-out samples with their own noisy labels: every accuracy here is too low, "
        "and a small difference says little. Give --test for a clean answer."
    )
    return (told,)
