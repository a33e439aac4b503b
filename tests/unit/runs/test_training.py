import io

import numpy as np
import pyarrow.parquet as pq
import torch

from unchaff.records import TrainingRecord
from unchaff.runs.training import training_bytes


def test_mean_and_spread_are_of_the_epochs_that_saw_a_sample() -> None:
    none = float("nan")
    margins = torch.tensor([[1.0, 2.0, none], [3.0, none, none]])
    table = pq.read_table(io.BytesIO(training_bytes(TrainingRecord(ids=np.arange(3), margins=margins))))
    assert table.schema.metadata[b"epochs"] == b"2"
    np.testing.assert_array_equal(table.column("margin").to_numpy(), np.float32([2, 2, none]))
    np.testing.assert_array_equal(table.column("spread").to_numpy(), np.float32([1, 0, none]))
