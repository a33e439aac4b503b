"""Rows -> means, spreads and paired differences over seeds."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median, stdev

from unchaff.bench.rows import Row


@dataclass(frozen=True)
class Spread:
    """Mean and standard deviation over seeds; no deviation from a single seed."""

    mean: float
    deviation: float | None
    n: int


@dataclass(frozen=True, kw_only=True)
class Line:
    """One contender or detector on one ground, over its seeds."""

    setting: str
    name: str
    seeds: tuple[int, ...]
    accuracy: Spread | None
    lead: Spread | None  # of the reference over this, paired by seed
    gap: Spread | None  # share of the way from the network as it came to the oracle
    auroc: Spread | None
    fnr: Spread | None  # share of the noisy missed when as many are rejected as are noisy
    f1: Spread | None
    calibration_error: Spread | None
    noise_rate: Spread | None
    kept_share: Spread | None
    changed: Spread | None  # share of the samples on which the reference decides otherwise, paired by seed
    size: Spread | None  # parameters, as a share of what they were
    more: Mapping[str, Spread | None]  # other measures, by name
    share: Spread | None  # of the operations of one full training
    with_start: Spread | None  # the same, with the training of the finished network where it needs one
    seconds: float | None  # median
    seconds_share: float | None  # median, of one full training


def spread(values: Iterable[float | None]) -> Spread | None:
    """Return mean and deviation of what is known; None where nothing is.

    >>> spread([1.0, 2.0, None])
    Spread(mean=1.5, deviation=0.7071067811865476, n=2)
    """
    known = [value for value in values if value is not None]
    if not known:
        return None
    return Spread(fmean(known), stdev(known) if len(known) > 1 else None, len(known))


def summarised(rows: Sequence[Row], *, reference: str = "unlearn@0.25") -> list[Line]:
    """Return one line per setting and name, in the order of the rows.

    Args:
        rows: of any number of settings and seeds.
        reference: whose lead over each other contender is shown, seed by seed.
    """
    fit = [row for row in rows if row.applies]
    names = dict.fromkeys((row.setting, row.name, row.kind) for row in fit)
    return [_line(*each, fit, reference) for each in names]


def _line(setting: str, name: str, kind: str, rows: Sequence[Row], reference: str) -> Line:
    here = [row for row in rows if row.setting == setting]
    own = [row for row in here if (row.name, row.kind) == (name, kind)]

    def paired(other: str, difference: Callable[[float, float], float]) -> list[float]:
        rivals = {row.seed: row.accuracy for row in here if row.name == other and row.kind == "method"}
        pairs = [(row.accuracy, rivals.get(row.seed)) for row in own]
        return [difference(one, two) for one, two in pairs if one is not None and two is not None]

    lead = None if name == reference else spread(paired(reference, lambda one, two: two - one))
    return Line(
        setting=setting,
        name=name,
        seeds=tuple(sorted(row.seed for row in own)),
        accuracy=spread(row.accuracy for row in own),
        lead=lead,
        gap=None if name in {"nothing", "oracle"} else spread(_gaps(own, here)),
        auroc=spread(row.found("auroc") for row in own),
        fnr=spread(row.found("fnr_at_rate") for row in own),
        f1=spread(row.found("f1") for row in own),
        calibration_error=spread(row.calibration_error for row in own),
        noise_rate=spread(row.noise_rate for row in own),
        kept_share=spread(row.kept_share for row in own),
        changed=None if name == reference else spread(_changed(own, here, reference)),
        size=spread(row.size.get("parameters") for row in own),
        more={name: spread(row.more.get(name) for row in own) for name in _named(own)},
        share=spread(row.share.get("flops") for row in own),
        with_start=spread(row.share.get("with_start") for row in own),
        seconds=median(row.seconds for row in own),
        seconds_share=_median(row.share.get("seconds") for row in own),
    )


def _named(rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row.more))


def _gaps(own: Sequence[Row], here: Sequence[Row]) -> list[float]:
    ends = {
        name: {row.seed: row.accuracy for row in here if row.name == name} for name in ("nothing", "oracle")
    }
    found = []
    for row in own:
        start, end = ends["nothing"].get(row.seed), ends["oracle"].get(row.seed)
        if row.accuracy is not None and start is not None and end is not None and end > start:
            found.append((row.accuracy - start) / (end - start))
    return found


def _changed(own: Sequence[Row], here: Sequence[Row], reference: str) -> list[float]:
    theirs = {row.seed: row.decisions for row in here if row.name == reference and row.kind == "method"}
    pairs = [(row.decisions, theirs.get(row.seed)) for row in own]
    return [float((one != two).mean()) for one, two in pairs if one is not None and two is not None]


def _median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None


def outside(rows: Sequence[Row], ranges: dict[str, dict[str, tuple[float, float]]]) -> list[str]:
    """Return one sentence for each row whose accuracy left its recorded range."""
    found = []
    for row in rows:
        low, high = ranges.get(row.setting, {}).get(row.name, (0.0, 1.0))
        if row.accuracy is not None and not low <= row.accuracy <= high:
            found.append(
                f"{row.setting}/{row.name}/{row.seed}: accuracy {row.accuracy:.3f}, "
                f"recorded range {low:.3f} to {high:.3f}."
            )
    return found
