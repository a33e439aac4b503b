"""What a user puts into a training loop of their own."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, distributed
from torch.nn import functional

from unchaff.errors import ConfigError, DataError
from unchaff.nets.adapt import logits_of
from unchaff.recording import shards
from unchaff.recording.shards import Shard
from unchaff.samples import Ids
from unchaff.tasks import are_probabilities, margin

SUFFIX = ".parquet"
Names = Tensor | Ids | Sequence[Any]  # integers or texts


@dataclass(frozen=True)
class Seen:
    """One batch, where its outputs were: fetching them would make the host wait at every step."""

    ids: Ids | Tensor
    labels: Int[Tensor, " b"]
    margins: Float[Tensor, " b"]
    losses: Float[Tensor, " b"]


class Recorder:
    """Writes down how each sample is learned, at no extra forward pass.

    Per epoch and sample: the given label, its margin (own logit minus the best other, higher is better),
    its loss (cross-entropy in nats) and whether it was correct (margin above 0). One epoch is held in
    memory at a time; each is a file of the folder, written whole. Where an id comes twice in an epoch, the
    first counts, and of several processes the one with the lowest rank.

    Args:
        folder: made with the first epoch.
        resume: go on with the record in the folder; epochs that are trained again are replaced.
        rank: of this process among those that train; found out by default.

    Raises:
        ConfigError: the folder holds a record and `resume` was not asked for, or is a file.

    Source: Pleiss et al., arXiv 2001.10528 (area under the margin).
    """

    def __init__(self, folder: str | Path, *, resume: bool = False, rank: int | None = None) -> None:
        self.folder = Path(folder).expanduser()
        if self.folder.is_file() or self.folder.suffix == SUFFIX:
            raise ConfigError(
                f"A record is a folder of one file per epoch, got {self.folder}. Name a folder."
            )
        if not resume and any(self.folder.glob(shards.PATTERN)):
            raise ConfigError(
                f"{self.folder} holds a record already. Go on with it by resume=True, or name another folder."
            )
        self._rank = rank
        self._seen: list[Seen] = []

    @property
    def rank(self) -> int:
        """Which of the processes that train this is, from 0."""
        if self._rank is not None:
            return self._rank
        if distributed.is_available() and distributed.is_initialized():
            return distributed.get_rank()
        return int(os.environ.get("RANK", "0"))

    def update(self, ids: Names, logits: object, labels: Tensor) -> None:
        """Note one batch that is trained on.

        On an accelerator only the first batch of an epoch is looked at for bad input: that would make the
        host wait at every step.

        Args:
            ids: (b,) integers or texts that name the samples in the data, whatever the epoch and order.
            logits: (b, classes), before the softmax, or an output that holds them.
            labels: (b,) as given, from 0.

        Raises:
            DataError: probabilities instead of logits, labels outside the classes, lengths that differ, ids
                of another kind than before; the batch is not noted then.
            ModelError: an output without logits.
        """
        scores = logits_of(logits).detach().float()
        targets = torch.as_tensor(labels, device=scores.device).detach()
        names = _plain(ids)
        self._check_kind(names)
        _check_shapes(len(names), scores, targets)
        if scores.device.type == "cpu" or not self._seen:
            _check_values(scores, targets)
        targets = targets.long()
        self._seen.append(
            Seen(
                names,
                targets,
                margin(scores, targets),
                functional.cross_entropy(scores, targets, reduction="none"),
            )
        )

    def _check_kind(self, names: Ids | Tensor) -> None:
        if self._seen and _are_texts(names) != _are_texts(self._seen[0].ids):
            came, were = ("texts", "integers") if _are_texts(names) else ("integers", "texts")
            raise DataError(
                f"These ids are {came}, and those of this epoch were {were} so far. Give one kind, or call "
                "discard() to begin the epoch anew."
            )

    def discard(self) -> None:
        """Forget what was seen since the last whole epoch, where it is not gone on with."""
        self._seen = []

    def end_epoch(self, epoch: int | None = None) -> None:
        """Write what was seen since the last call; nothing where nothing was.

        Args:
            epoch: number from 0; by default the one after the last of this process in the folder.

        Raises:
            ConfigError: the number is negative.
            WriteError: the file cannot be written; what was seen is still held.
        """
        if not self._seen:
            return
        rank = self.rank
        number = max(shards.epochs_in(self.folder, rank), default=-1) + 1 if epoch is None else epoch
        if number < 0:
            raise ConfigError(f"Epochs are numbered from 0, got {number}. Leave it out to count on.")
        margins = torch.cat([seen.margins for seen in self._seen])
        shard = Shard(
            epoch=number,
            ids=_joined([seen.ids for seen in self._seen]),
            labels=torch.cat([seen.labels for seen in self._seen]).cpu().numpy(),
            margins=torch.where(margins.isfinite(), margins, torch.nan).cpu().numpy(),
        )
        losses = torch.cat([seen.losses for seen in self._seen]).cpu().numpy()
        shards.write(self.folder, shard, losses, rank=rank)
        self.discard()


def _plain(ids: Names) -> Ids | Tensor:
    """Return ids as one array of integers or of texts; a tensor stays where it is."""
    if isinstance(ids, Tensor):
        if ids.dim() != 1 or ids.is_floating_point() or ids.is_complex() or ids.dtype == torch.bool:
            raise DataError(_bad_ids(f"a tensor of {ids.dtype} and shape {tuple(ids.shape)}"))
        return ids.detach().clone()
    listed = [one.item() if isinstance(one, Tensor | np.generic) else one for one in ids]
    kinds, array = {type(one) for one in listed}, np.array(listed)
    if kinds not in ({int}, {str}) or array.dtype.kind not in "iU":
        raise DataError(_bad_ids(" and ".join(sorted(kind.__name__ for kind in kinds)) or "none"))
    return array


def _bad_ids(came: str) -> str:
    return f"Ids are integers or texts, one per sample of the batch, got {came}. Give those of the data."


def _joined(parts: list[Ids | Tensor]) -> Ids:
    return np.concatenate([part.cpu().long().numpy() if isinstance(part, Tensor) else part for part in parts])


def _are_texts(ids: Ids | Tensor) -> bool:
    return not isinstance(ids, Tensor) and ids.dtype.kind == "U"


def _check_shapes(count: int, scores: Tensor, targets: Tensor) -> None:
    if scores.dim() != 2 or scores.shape[1] < 2:
        raise DataError(
            f"Logits have shape (batch, classes) with two classes or more, got {tuple(scores.shape)}. "
            "A single output z for two classes is torch.stack([-z / 2, z / 2], dim=1)."
        )
    if targets.shape != (len(scores),) or count != len(scores):
        raise DataError(
            f"The lengths differ: {count} ids, logits {tuple(scores.shape)}, labels {tuple(targets.shape)}. "
            "Give one id and one label per row of logits."
        )
    if targets.is_floating_point() or targets.dtype == torch.bool:
        raise DataError(f"Labels are class numbers from 0, got {targets.dtype}. Give integers.")


def _check_values(scores: Tensor, targets: Tensor) -> None:
    if not len(scores):
        return
    low, high, classes = int(targets.min()), int(targets.max()), scores.shape[1]
    if low < 0 or high >= classes:
        raise DataError(
            f"Labels run from {low} to {high}, but the logits are of {classes} classes (0 to {classes - 1}). "
            "Leave out samples without a label."
        )
    if are_probabilities(scores):
        raise DataError(
            "These are probabilities and no logits: every row lies in [0, 1] and sums to 1. Give what the "
            "network puts out before the softmax, or the logarithm of these."
        )
