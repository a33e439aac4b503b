"""Inputs of several tensors each, as rows of bytes."""

import numpy as np
import torch
from numpy.typing import NDArray

from unchaff.data.listing import Decoded, good_rows
from unchaff.data.prepare import AsIs
from unchaff.data.sources import in_memory
from unchaff.errors import DataError
from unchaff.packing import Layout
from unchaff.samples import Kind


def settle(rows: NDArray[np.generic], layout: Layout, *, kind: Kind | None = None) -> Decoded:
    """Leave out samples that are not finite.

    Raises:
        DataError: other tensors than those of the training data, or nothing finite.
    """
    if kind is not None and kind.layout != layout:
        raise DataError(f"Samples hold {layout}, the training data {kind}. Give both the same.")
    raw = torch.from_numpy(np.array(rows))
    finite = np.ones(len(raw), dtype=bool)
    for part in layout.unpack(raw).values():
        finite &= torch.isfinite(part).reshape(len(raw), -1).all(dim=1).numpy()
    bad = {int(row): "holds NaN or infinite values" for row in np.flatnonzero(~finite)}
    good = good_rows(len(raw), bad)
    if not len(good):
        raise DataError(f"All {len(raw)} samples hold NaN or infinite values. Give other data.")
    kind = kind or Kind("packed", tuple(raw.shape[1:]), layout=layout)
    return Decoded(source=in_memory(raw[good], AsIs()), kind=kind, prepare=AsIs(), rows=good, bad=bad)
