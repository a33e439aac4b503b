"""`training.parquet`: how each sample was learned, where the training was recorded."""

import pyarrow as pa
import torch

from unchaff.records import TrainingRecord
from unchaff.whole import parquet


def training_bytes(record: TrainingRecord) -> bytes:
    """Return the Parquet file: mean and deviation of the margin over the epochs in which it was seen."""
    margins = record.margins.double().cpu()
    seen = margins.isfinite()
    number = seen.sum(0)
    mean = margins.nan_to_num(0.0).sum(0) / number  # NaN where never seen
    apart = torch.where(seen, margins - mean, 0.0)
    spread = (apart.square().sum(0) / number).sqrt()
    columns = {"margin": mean.float().numpy(), "spread": spread.float().numpy()}
    table = pa.table({"id": pa.array(record.ids), **{name: pa.array(each) for name, each in columns.items()}})
    return parquet(table.replace_schema_metadata({"epochs": str(len(margins))}))
