"""A record on disk -> what it says of the samples at hand."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from unchaff.errors import DataError
from unchaff.recording.shards import Shard, read
from unchaff.records import TrainingRecord
from unchaff.samples import Ids, Samples

LEAST = 0.5  # share of the samples a record has to cover


@dataclass(frozen=True)
class Matched:
    """A record in the order of the samples, and one sentence on how it fits."""

    record: TrainingRecord
    said: str


def matched(path: str | Path, samples: Samples) -> Matched:
    """Read a record and match it to samples by id.

    A row speaks of a sample only if it was recorded with the label that the sample has now.

    Raises:
        DataError: there is no record, or it covers less than half of the samples.
    """
    place = Path(path).expanduser()
    table = _Table(samples)
    for shard in read(place):
        table.add(shard)
    if not table.num_epochs:
        raise DataError(f"{place} holds no epoch of a record. Give the folder that a Recorder was given.")
    record = TrainingRecord(ids=samples.ids, margins=table.margins())
    seen = int(record.margins.isfinite().any(0).sum())
    told = [f"{place} covers {seen} of {len(samples)} samples, over {table.num_epochs} epochs."]
    told += table.differences()
    if seen < LEAST * len(samples):
        raise DataError(
            f"{' '.join(told)} At least {LEAST:.0%} must be covered: record with the ids and labels that "
            "these data have."
        )
    return Matched(record, " ".join(told))


class _Table:
    """Margins of each epoch, row by row of the samples."""

    def __init__(self, samples: Samples) -> None:
        self._ids, self._labels = samples.ids, samples.labels.cpu().numpy()
        self._epochs: dict[int, NDArray[np.float32]] = {}
        self._named = np.zeros(len(samples), dtype=bool)
        self._relabelled = np.zeros(len(samples), dtype=bool)
        self._unknown: Ids = samples.ids[:0]

    @property
    def num_epochs(self) -> int:
        return len(self._epochs)

    def add(self, shard: Shard) -> None:
        """Take in what one process saw in one epoch; what is known of an epoch already stays."""
        if shard.ids.dtype.kind != self._ids.dtype.kind:
            raise DataError(
                f"The record has ids such as {shard.ids[0].item()!r}, the data such as "
                f"{self._ids[0].item()!r}. Record with the ids of the data."
            )
        ids, first = np.unique(shard.ids, return_index=True)
        rows = np.searchsorted(self._ids, ids)
        known = (rows < len(self._ids)) & (self._ids[np.minimum(rows, len(self._ids) - 1)] == ids)
        self._unknown = np.union1d(self._unknown, ids[~known])
        rows, first = rows[known], first[known]
        same = shard.labels[first] == self._labels[rows]
        self._named[rows] = True
        self._relabelled[rows[~same]] = True
        rows, first = rows[same], first[same]
        if shard.epoch not in self._epochs:
            self._epochs[shard.epoch] = np.full(len(self._ids), np.nan, dtype=np.float32)
        margins = self._epochs[shard.epoch]
        margins[rows] = np.where(np.isnan(margins[rows]), shard.margins[first], margins[rows])

    def margins(self) -> torch.Tensor:
        """Return the margins (epochs, n), NaN where not seen."""
        return torch.from_numpy(np.stack([self._epochs[epoch] for epoch in sorted(self._epochs)]))

    def differences(self) -> list[str]:
        """Return a sentence for each way in which record and data differ."""
        return [
            *_told("are not in the record", self._ids[~self._named]),
            *_told("of the record are not in the data", self._unknown),
            *_told("were recorded with another label", self._ids[self._relabelled]),
        ]


def _told(what: str, ids: Ids) -> list[str]:
    return [f"{len(ids)} {what}, such as {ids[0].item()!r}."] if len(ids) else []
