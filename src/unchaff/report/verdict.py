"""Was it worth it? Said from the numbers, also when the answer is no."""

from typing import Literal

from unchaff.evaluate.accuracy import Scores
from unchaff.evaluate.cost import gap_recovered, share
from unchaff.evaluate.metrics import ON_TEST, Measured
from unchaff.records import Outcome, Partition
from unchaff.report.views import Verdict
from unchaff.report.words import count, percent, points

YARDSTICK = "oracle"  # knows the truth, so it is a ceiling and no rival

Tone = Literal["good", "plain", "bad"]


def verdict(measured: Measured, outcome: Outcome) -> Verdict:
    """Return the answer in one sentence, the comparison behind it, and what limits it."""
    split, before, after = outcome.partition, measured.before, measured.after
    if before is None:
        return Verdict("plain", _unmeasured(split), ("Save it with test= to see what the repair is worth.",))
    if after is None:
        return Verdict("plain", _scored(split), _where(measured, before))
    if split is not None and split.abstained:
        tone, sentence = _abstained(before, after)
    else:
        tone, sentence = _judged(measured, before, after)
    details = (
        *_rivals(measured, after),
        *_price(measured, outcome, before, after),
        *_where(measured, before),
    )
    return Verdict(tone, sentence, details)


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
        return "No evidence of noise was found, and every sample is kept."
    return (
        f"About {percent(split.noise_rate, 0)} of the samples look unfit to learn from; "
        "the network was left as it was."
    )


def _unmeasured(split: Partition | None) -> str:
    if split is None:
        return "The network was repaired, and nothing was measured."
    if split.abstained:
        return "There is nothing to repair: no evidence of noise was found, and every sample is kept."
    return (
        f"About {percent(split.noise_rate, 0)} of the samples look unfit to learn from; the network was "
        "repaired, and nothing was measured."
    )


def _abstained(before: Scores, after: Scores) -> tuple[Tone, str]:
    sentence = "There is nothing to repair: no evidence of noise was found, and every sample is kept."
    if after.accuracy < before.accuracy:
        return "bad", f"{sentence} Yet the network got worse: {_from_to(before, after)}."
    return "plain", sentence


def _judged(measured: Measured, before: Scores, after: Scores) -> tuple[Tone, str]:
    rival = best_rival(measured)
    change = _from_to(before, after)
    if after.accuracy < before.accuracy:
        doubt = ", which may be chance" if overlap(before, after) else ""
        return "bad", f"Not worth repairing: the accuracy fell {change}{doubt}. Keep the network you had."
    if after.accuracy == before.accuracy:
        return "plain", f"Not worth repairing: the accuracy stayed at {percent(after.accuracy)}."
    if rival is not None and rival[1].accuracy > after.accuracy:
        return _beaten(after, rival, change)
    if overlap(before, after):
        return "plain", f"Perhaps worth repairing: the accuracy rose {change}, which may be chance."
    return "good", f"Worth repairing: the accuracy rose {change}."


def _beaten(after: Scores, rival: tuple[str, Scores], change: str) -> tuple[Tone, str]:
    name, scores = rival
    theirs = f"the control {name} did better with {percent(scores.accuracy)}"
    if overlap(scores, after):
        return "plain", f"The accuracy rose {change}, but {theirs}, which may be chance."
    return "bad", f"The accuracy rose {change}, but {theirs}: prefer that one."


def _from_to(before: Scores, after: Scores) -> str:
    return f"from {percent(before.accuracy)} to {percent(after.accuracy)}"


def _rivals(measured: Measured, after: Scores) -> tuple[str, ...]:
    rival = best_rival(measured)
    if rival is None:
        return ("No control was run, so this does not show that another way would not have done the same.",)
    name, scores = rival
    difference = f"{points(after.accuracy - scores.accuracy)} points against the best control, {name}"
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
