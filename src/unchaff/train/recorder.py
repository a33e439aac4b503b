"""Remembers how each sample was learned, at no extra forward pass."""

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from unchaff.records import TrainingRecord
from unchaff.samples import Ids, Rows
from unchaff.tasks import margin


@runtime_checkable
class Watcher(Protocol):
    """Looks on while a network is trained, and changes nothing."""

    def begin_epoch(self) -> None:
        """A new pass over the samples begins."""
        ...

    def see(self, rows: Rows, logits: Tensor, labels: Tensor) -> None:
        """A batch was trained on; these were its outputs."""
        ...

    def end_epoch(self, model: nn.Module) -> None:
        """The pass is whole; this is the network now."""
        ...

    def state(self) -> dict[str, Tensor]:
        """Return what was seen so far."""
        ...

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on from what was seen."""
        ...


class Recorder:
    """Collects the margin of the given label of each sample, epoch by epoch.

    Source: Pleiss et al., arXiv 2001.10528 (area under the margin).
    """

    def __init__(self, ids: Ids) -> None:
        self._ids = ids
        self._epochs: list[Tensor | None] = []

    def begin_epoch(self) -> None:
        """Start a new row."""
        self._epochs.append(None)

    def see(self, rows: Rows, logits: Tensor, labels: Tensor) -> None:
        """Note the outputs of one batch, as they were when it was trained on."""
        # Kept where the outputs are: fetching them would make the host wait at every step.
        seen = self._epochs[-1]
        if seen is None:
            seen = torch.full((len(self._ids),), float("nan"), device=logits.device)
            self._epochs[-1] = seen
        place = torch.from_numpy(rows).to(logits.device, non_blocking=True)
        seen[place] = margin(logits.detach().float(), labels)

    def end_epoch(self, model: nn.Module) -> None:
        """Nothing to note."""

    def state(self) -> dict[str, Tensor]:
        """Return the margins so far."""
        return {"margins": self._margins()} if self._epochs else {}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on from such margins."""
        self._epochs = list(state["margins"]) if state else []

    def _margins(self) -> Tensor:
        unseen = torch.full((len(self._ids),), float("nan"))
        return torch.stack([unseen if epoch is None else epoch.cpu() for epoch in self._epochs])

    def record(self) -> TrainingRecord:
        """Return what was seen."""
        return TrainingRecord(ids=self._ids, margins=self._margins())
