"""The content of `metrics.json`: all that was measured, as plain numbers."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from math import isfinite

from unchaff.evaluate.accuracy import Scores
from unchaff.evaluate.calibration import Calibration
from unchaff.evaluate.cost import gap_recovered, share
from unchaff.evaluate.curves import Curve
from unchaff.evaluate.detection import Detection
from unchaff.evaluate.reviewed import Review
from unchaff.records import Cost, Outcome, Partition

ON_TEST = "test"
ON_HOLDOUT = "holdout with its noisy labels"
ON_NOTHING = "nothing: no test data were given"


@dataclass(frozen=True)
class Control:
    """Another way to spend the same data, measured in the same run."""

    scores: Scores
    cost: Cost


@dataclass(frozen=True, kw_only=True)
class Measured:
    """All that was measured about one outcome."""

    before: Scores | None  # None: nothing to measure on
    after: Scores | None  # None too: the samples were scored, the network was left as it was
    measured_on: str = ON_TEST
    controls: Mapping[str, Control] = field(default_factory=dict)  # by method name
    detection: Detection | None = None  # None: the truth is not known
    first_detection: Detection | None = None  # of the split after the first scoring, before any repair
    calibration: Calibration | None = None
    curve: Curve | None = None  # of inspecting the worst first
    judging: Cost | None = None  # giving held-out rows a quality: no part of the repair; None: there are none
    full: Cost | None = None  # one full training of the same recipe; None: unknown
    full_is_estimated: bool = False
    review: Review | None = None  # None: nobody decided about a run before

    @property
    def is_of_repair(self) -> bool:
        """Whether there is a repaired network, measured or not."""
        return self.after is not None or self.before is None


def metrics(measured: Measured, outcome: Outcome) -> dict[str, object]:
    """Return the content of `metrics.json`; accuracies are fractions, what is unknown is None."""
    partition, detection, calibration = outcome.partition, measured.detection, measured.calibration
    return cleaned(
        {
            "measured_on": measured.measured_on,
            "before": None if measured.before is None else _scores(measured.before),
            "after": None if measured.after is None else _scores(measured.after),
            "controls": {name: _control(each, measured.full) for name, each in measured.controls.items()},
            "gap_recovered": _gap(measured),
            "detection": None if detection is None else asdict(detection),
            "first_detection": None if measured.first_detection is None else asdict(measured.first_detection),
            "calibration": None if calibration is None else asdict(calibration),
            "curve": None if measured.curve is None else asdict(measured.curve),
            "noise_rate_estimate": None if partition is None else partition.noise_rate,
            "kept_share": None if partition is None else partition.kept_share,
            "abstained": None if partition is None else partition.abstained,
            "split": None if partition is None else _split(partition),
            "review": None if measured.review is None else asdict(measured.review),
            "num_pruned_units": 0 if outcome.plan is None else len(outcome.plan.units),
            "cost": {
                **cost_numbers(outcome.cost),
                "share": _share(outcome.cost, measured.full),
                "share_is_estimated": measured.full_is_estimated,
                "full": None if measured.full is None else cost_numbers(measured.full),
                "holdout": None if measured.judging is None else cost_numbers(measured.judging),
                "stages": {name: cost_numbers(stage) for name, stage in outcome.cost.stages.items()},
            },
        }
    )


def cost_numbers(cost: Cost) -> dict[str, float | int]:
    """Return a cost without its stages."""
    return {"seconds": cost.seconds, "samples_seen": cost.samples_seen, "flops": cost.flops}


def cleaned(values: Mapping[str, object]) -> dict[str, object]:
    """Return the same with plain lists and dicts, and None for every number that is not finite."""
    return {str(key): _clean(value) for key, value in values.items()}


def _clean(value: object) -> object:
    if isinstance(value, Mapping):
        return cleaned(value)
    if isinstance(value, (list, tuple)):
        return [_clean(each) for each in value]
    if isinstance(value, float):
        return float(value) if isfinite(value) else None
    return value


def _split(partition: Partition) -> dict[str, object]:
    """Return how it was made: the sentence, the line, and the mixture where there is one."""
    fitted = None if partition.fitted is None else asdict(partition.fitted)
    return {"reason": partition.reason, "threshold": partition.threshold, "fitted": fitted}


def _scores(scores: Scores) -> dict[str, object]:
    return asdict(scores)


def _control(control: Control, full: Cost | None) -> dict[str, object]:
    return {
        **_scores(control.scores),
        "cost": cost_numbers(control.cost),
        "share": _share(control.cost, full),
    }


def _share(cost: Cost, full: Cost | None) -> dict[str, float | None] | None:
    return None if full is None else share(cost, full)


def _gap(measured: Measured) -> float | None:
    oracle = measured.controls.get("oracle")
    if oracle is None or measured.before is None or measured.after is None:
        return None
    return gap_recovered(measured.before.accuracy, measured.after.accuracy, oracle.scores.accuracy)
