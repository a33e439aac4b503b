"""Quality of samples that were held out of the repair, so that every row gets one."""

from dataclasses import replace

import numpy as np
import torch
from sklearn.isotonic import IsotonicRegression
from torch import Tensor

from unchaff.attribute.readout import Readout
from unchaff.records import Cost, Evidence, Observed, Partition, Trained
from unchaff.samples import Samples


def extended(
    partition: Partition, trained: Trained, train: Samples, holdout: Samples
) -> tuple[Partition, Cost]:
    """Return the split with the held-out samples added, and what judging them cost.

    A read-out is fitted on the training samples; what it says of the held-out labels is turned into
    quality by the rising curve that turns the same number into quality on the training samples. Kept
    is where a second such curve says that more than half of the training samples were.
    """
    readout = Readout(depth=1.0, own=1.0)
    seen = readout.walk(trained, Observed(train=train), name="hold-out")
    unseen = replace(seen, samples=holdout)
    ridge = readout.fitted(seen)
    known, fresh = readout.scored(seen, ridge), readout.scored(unseen, ridge, left_out=False)
    before, after = known.columns["readout"], fresh.columns["readout"]
    quality = _carried(before, partition.quality, after)
    kept = _carried(before, partition.kept, after) > 0.5  # all of them where all were kept
    return _merged(partition, fresh, quality, kept), known.cost + fresh.cost


def _carried(before: Tensor, known: Tensor, after: Tensor) -> Tensor:
    """Return what the rising curve from `before` to `known` says at `after`."""
    curve = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip")
    curve.fit(before.double().numpy(), known.double().numpy())
    return torch.from_numpy(curve.predict(after.double().numpy())).float()


def _merged(partition: Partition, fresh: Evidence, quality: Tensor, kept: Tensor) -> Partition:
    ids = np.concatenate([partition.ids, fresh.ids])
    order = torch.from_numpy(np.argsort(ids, kind="stable"))
    unknown = torch.full((len(fresh.ids),), float("nan"))
    columns = {
        name: torch.cat([column, fresh.columns.get(name, unknown)])[order]
        for name, column in partition.evidence.items()
    }
    suggested = None
    if partition.suggested is not None and fresh.suggested is not None:
        suggested = torch.cat([partition.suggested, fresh.suggested])[order]
    return replace(
        partition,
        ids=ids[order.numpy()],
        quality=torch.cat([partition.quality, quality])[order],
        kept=torch.cat([partition.kept, kept])[order],
        suggested=suggested,
        evidence=columns,
    )
