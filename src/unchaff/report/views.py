"""What a page shows, as plain strings and numbers; nothing here knows HTML."""

from dataclasses import dataclass, field
from typing import Literal

Role = Literal["before", "after", "control"]  # of a network in the comparison


@dataclass(frozen=True)
class Verdict:
    """The answer in one sentence, how sure it is, and what to know about it."""

    tone: Literal["good", "plain", "bad"]
    sentence: str
    details: tuple[str, ...] = ()
    confidence: str = ""  # high, fair, low or none, and why


@dataclass(frozen=True)
class Fact:
    """One number with its name."""

    name: str
    value: str
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Rung:
    """One network in the comparison."""

    name: str
    role: Role
    accuracy: float
    interval: tuple[float, float]
    macro_f1: float
    seconds: float | None  # None: cost nothing extra
    flops: float | None
    share: float | None  # FLOPs over those of one full training
    seconds_share: float | None


@dataclass(frozen=True)
class Table:
    """Cells as they are read; the first of each row names it."""

    title: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    ours: tuple[str, ...] = ()  # names of the rows to stand out
    words: tuple[int, ...] = ()  # columns of words, all others but the first are numbers
    strong: int | None = None  # the column to stand out


@dataclass(frozen=True)
class Chart:
    """An SVG that fits into the page, the sentence that says what it shows, and its numbers."""

    svg: str
    title: str
    caption: str
    numbers: Table | None = None  # None: they stand in a table beside it


@dataclass(frozen=True, kw_only=True)
class Media:
    """What a sample looks or sounds like."""

    image: str = ""  # data URI
    sound: str = ""  # data URI
    alt: str = ""
    note: str = ""
    text: str = ""
    rows: tuple[tuple[str, str], ...] = ()
    is_small: bool = False  # few pixels: to be shown enlarged and not smoothed


@dataclass(frozen=True, kw_only=True)
class Suspect:
    """One of the samples that can be trusted least."""

    id: str
    given: str
    suggested: str
    quality: float
    kept: bool
    why: str  # the evidence that spoke against it, in words
    evidence: tuple[tuple[str, str], ...]
    media: Media


@dataclass(frozen=True, kw_only=True)
class Driver:
    """One of the samples that drove a unit most."""

    id: str
    given: str
    suggested: str
    kept: bool
    activation: str
    media: Media


@dataclass(frozen=True, kw_only=True)
class UnitView:
    """One pruned unit, and what it responded to."""

    name: str
    sentence: str
    drivers: tuple[Driver, ...]


@dataclass(frozen=True, kw_only=True)
class PageView:
    """The whole page about a run."""

    title: str
    created: str
    verdict: Verdict
    facts: tuple[Fact, ...]
    review_sentences: tuple[str, ...]
    review: Table | None  # None: nobody decided about a run before
    comparison: Table | None  # None: nothing was measured
    comparison_note: str
    comparison_charts: tuple[Chart, ...]
    noise_sentence: str
    warnings: tuple[str, ...]  # classes of which little is kept
    classes: Table | None
    split_sentence: str
    split_charts: tuple[Chart, ...]
    price_charts: tuple[Chart, ...]
    detection: Table | None  # None: the truth is not known
    detection_charts: tuple[Chart, ...]
    learned_sentence: str
    learned_charts: tuple[Chart, ...]  # empty: the training was not recorded
    suspects_sentence: str
    suspects: tuple[Suspect, ...]
    missing: str  # why samples are named and not shown; empty: they are shown
    pruned_sentence: str
    pruned: Table | None
    units_sentence: str
    units: tuple[UnitView, ...]
    cost_sentence: str
    stages: Table
    notes: tuple[str, ...]
    command: str
    replay: tuple[Fact, ...]
    config: tuple[Fact, ...] = field(default=())


@dataclass(frozen=True, kw_only=True)
class GroundView:
    """What was measured on one kind of data and noise."""

    name: str
    sentence: str
    tables: tuple[Table, ...]
    charts: tuple[Chart, ...]


@dataclass(frozen=True, kw_only=True)
class ComparisonView:
    """A page that compares: of a suite, or of several methods on one data set."""

    title: str
    created: str
    sentence: str
    notes: tuple[str, ...]
    grounds: tuple[GroundView, ...]
    file: str  # that holds the rows
