"""The rows of `quality.parquet` in memory: what is asked for, in the order it is asked for."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from unchaff.evaluate.interval import wilson
from unchaff.partition.bins import NUM_BINS, bins_of
from unchaff.report.reasons import Ranks, Rows
from unchaff.review.store import KINDS, Answer
from unchaff.runs.read import ROWS, RunFolder, judged

Order = Literal["worst", "informative", "best", "id"]
Split = Literal["rejected", "kept", "all"]
State = Literal["undecided", "decided", "all"]
MIXER = 2_654_435_761  # times a row, modulo 2 ** 32: an order that knows nothing of quality
NOT_EVIDENCE = {*ROWS, "predicted"}
OPEN = KINDS.index("open")
UNDECIDED = -1  # in place of a class
Mask = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Asked:
    """Which samples to show, and in which order."""

    given: int | None = None  # class
    suggested: int | None = None
    low: float = 0.0  # of quality
    high: float = 1.0
    split: Split = "rejected"
    state: State = "all"
    text: str = ""  # that the id holds
    order: Order = "worst"


@dataclass(frozen=True)
class Progress:
    """How far a person has come, and what the suspects turned out to be."""

    suspects: int  # samples the run rejected
    reviewed: int  # of them
    wrong: int  # of those: dropped or relabelled
    decided: int  # of all samples

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95 % interval of the share of suspects that are wrong; None before the first answer."""
        return wilson(self.wrong, self.reviewed) if self.reviewed else None


class Suspects:
    """All samples of a run, and what was decided about them so far; rows are positions in the table."""

    def __init__(self, table: pa.Table, threshold: float | None = None) -> None:
        """Take the rows; `threshold` is that of the split, None where there was none."""
        self.ids = table.column("id").to_pylist()
        self.labels = _whole(table, "label")
        self.suggested = _whole(table, "suggested_label")
        self.quality = np.nan_to_num(table.column("quality").to_numpy()).astype(np.float32)
        self.kept: Mask = table.column("kept").to_numpy(zero_copy_only=False).astype(np.bool_)
        evidence = {
            name: table.column(name).to_numpy().astype(np.float32)
            for name in table.column_names
            if name not in NOT_EVIDENCE and pa.types.is_floating(table.schema.field(name).type)
        }
        self.ranks = Ranks(evidence, threshold)
        self.kinds = np.full(len(self), OPEN, dtype=np.int8)  # places in KINDS
        self.chosen = np.full(len(self), UNDECIDED, dtype=np.int32)  # classes of relabels
        self.unknown: set[int | str] = set()  # ids that were decided about, and are not in the run
        self._texts = pc.utf8_lower(pc.cast(table.column("id"), pa.large_string()))
        self._orders: dict[str, Rows] = {}

    @classmethod
    def of(cls, run: RunFolder) -> "Suspects":
        """Return the samples of a run.

        Raises:
            RunFolderError: its method judged no sample.
        """
        how = run.metrics.get("split")
        return cls(judged(run), how.get("threshold") if isinstance(how, dict) else None)

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def row_of(self) -> dict[int | str, int]:
        """Where each id stands."""
        return {id_: row for row, id_ in enumerate(self.ids)}

    def take(self, answers: Iterable[Answer]) -> list[int]:
        """Note what holds now, and return the rows it is about."""
        changed = []
        for answer in answers:
            row = self.row_of.get(answer.id)
            if row is None:
                (self.unknown.discard if answer.kind == "open" else self.unknown.add)(answer.id)
                continue
            self.kinds[row] = KINDS.index(answer.kind)
            self.chosen[row] = UNDECIDED if answer.label is None else answer.label
            changed.append(row)
        return changed

    def rows(self, asked: Asked) -> Rows:
        """Return all samples that were asked for, in order; the one whose id is the text comes first."""
        order = self._order(asked.order)
        rows = order[self._mask(asked)[order]]
        if not asked.text:
            return rows
        is_exact = pc.equal(self._texts, asked.text.lower()).to_numpy()[rows]
        return np.concatenate([rows[is_exact], rows[~is_exact]])

    def progress(self) -> Progress:
        """Return how far the review has come."""
        is_decided, is_suspect = self.kinds != OPEN, ~self.kept
        reviewed = is_decided & is_suspect
        wrong = reviewed & (self.kinds != KINDS.index("keep"))
        return Progress(*(int(each.sum()) for each in (is_suspect, reviewed, wrong, is_decided)))

    def settle(self) -> None:
        """Put all rows into every order, so that nobody waits for it."""
        for order in get_args(Order):
            self._order(order)

    def below(self, row: int) -> dict[str, float]:
        """Return the share of samples whose evidence is lower, by evidence."""
        return {name: float(shares[0]) for name, shares in self.ranks.below([row]).items()}

    def _mask(self, asked: Asked) -> Mask:
        mask: Mask = (self.quality >= np.float32(asked.low)) & (self.quality <= np.float32(asked.high))
        if asked.given is not None:
            mask &= self.labels == asked.given
        if asked.suggested is not None:
            mask &= self.suggested == asked.suggested
        if asked.split != "all":
            mask &= self.kept == (asked.split == "kept")
        if asked.state != "all":
            mask &= (self.kinds == OPEN) == (asked.state == "undecided")
        if asked.text:
            found = pc.match_substring(self._texts, asked.text.lower())
            mask &= found.to_numpy()
        return mask

    def _order(self, order: Order) -> Rows:
        """Return all rows in an order; each is settled when it is first asked for."""
        if order not in self._orders:
            rows = np.arange(len(self))
            if order == "worst":
                rows = self.ranks.worst_first(self.quality)
            elif order == "best":
                rows = np.argsort(-self.quality, kind="stable")
            elif order == "informative":
                rows = self._informative()
            self._orders[order] = rows.astype(np.int64)
        return self._orders[order]

    def _informative(self) -> Rows:
        """Return the rows so that each bin of quality gets an answer in turn, the most doubtful bin first.

        A calibration needs answers from everywhere, and within a bin from whichever: a bin with answers
        already waits for the others.
        """
        bins, is_open = bins_of(self.quality), self.kinds == OPEN
        answered = np.bincount(bins[~is_open], minlength=NUM_BINS)
        mixed = np.arange(len(self), dtype=np.int64) * MIXER % 2**32
        rank = np.full(len(self), len(self), dtype=np.int64)  # what is decided teaches nothing more
        for each in range(NUM_BINS):
            inside = np.flatnonzero((bins == each) & is_open)
            rank[inside[np.argsort(mixed[inside])]] = np.arange(len(inside)) + answered[each]
        return np.lexsort((np.abs(self.quality - 0.5), rank))


def _whole(table: pa.Table, column: str) -> NDArray[np.int32]:
    return table.column(column).to_numpy().astype(np.int32)
