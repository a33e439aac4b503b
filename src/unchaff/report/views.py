"""What the page shows, as plain strings and numbers; nothing here knows HTML."""

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class Verdict:
    """The answer in one sentence, and what to know about it."""

    tone: Literal["good", "plain", "bad"]
    sentence: str
    details: tuple[str, ...] = ()


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
    role: Literal["before", "after", "control"]
    accuracy: float
    interval: tuple[float, float]
    macro_f1: float
    seconds: float | None  # None: cost nothing extra
    flops: float | None
    share: float | None  # FLOPs over those of one full training
    seconds_share: float | None


@dataclass(frozen=True)
class ClassRow:
    """One class of the data as given."""

    name: str
    count: int
    kept: int
    rejected: int
    confusion: str  # the class most of its rejected samples look like


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
    evidence: tuple[tuple[str, str], ...]
    media: Media


@dataclass(frozen=True)
class PrunedLayer:
    """Silenced units of one layer."""

    layer: str
    count: int
    units: str
    strongest: str  # sensitivity


@dataclass(frozen=True)
class StageRow:
    """What one stage took."""

    name: str
    seconds: str
    samples_seen: str
    flops: str


@dataclass(frozen=True)
class Chart:
    """An SVG that fits into the page, and the sentence that says what it shows."""

    svg: str
    title: str
    caption: str


@dataclass(frozen=True, kw_only=True)
class PageView:
    """The whole page."""

    title: str
    created: str
    verdict: Verdict
    measured_on: str
    facts: tuple[Fact, ...]
    rungs: tuple[Rung, ...]
    rungs_note: str
    charts: tuple[Chart, ...]
    detection: tuple[Fact, ...]  # empty: the truth is not known
    noise_sentence: str
    classes: tuple[ClassRow, ...]
    quality_charts: tuple[Chart, ...]
    suspects: tuple[Suspect, ...]
    pruned: tuple[PrunedLayer, ...]
    pruned_sentence: str
    stages: tuple[StageRow, ...]
    cost_sentence: str
    notes: tuple[str, ...]
    command: str
    replay: tuple[Fact, ...]
    config: tuple[Fact, ...] = field(default=())


@dataclass(frozen=True)
class Table:
    """Cells as they are read; the first of each row names it."""

    title: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    ours: tuple[str, ...] = ()  # names of the rows to stand out


@dataclass(frozen=True, kw_only=True)
class GroundView:
    """What was measured on one kind of data and noise."""

    name: str
    sentence: str
    tables: tuple[Table, ...]
    charts: tuple[Chart, ...]


@dataclass(frozen=True, kw_only=True)
class BenchView:
    """The page of a suite."""

    title: str
    created: str
    sentence: str
    notes: tuple[str, ...]
    grounds: tuple[GroundView, ...]
    file: str  # that holds the rows
