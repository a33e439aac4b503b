import io
import json
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from unchaff.errors import RunFolderError
from unchaff.runs.quality import quality_bytes, quality_table


def test_columns_and_types(run) -> None:
    table = pq.read_table(io.BytesIO(quality_bytes(run)))
    types = {field.name: str(field.type) for field in table.schema}
    assert types == {
        "id": "string",
        "label": "int64",
        "predicted": "int64",
        "suggested_label": "int64",
        "quality": "float",
        "kept": "bool",
        "readout": "float",
        "evidence_kept": "float",
    }
    assert table["id"].to_pylist()[0] == "id 0"
    assert table["kept"].to_pylist() == [False, True, True, True, True, True]
    assert table["suggested_label"].to_pylist()[0] == 1
    np.testing.assert_allclose(table["quality"].to_numpy()[:2], [0.1, 0.8], rtol=1e-6)


def test_class_names_are_where_hugging_face_looks(run) -> None:
    features = json.loads(quality_table(run).schema.metadata[b"huggingface"])["info"]["features"]
    assert features["label"] == {"names": ["cat", "dog"], "_type": "ClassLabel"}
    assert features["quality"] == {"dtype": "float32", "_type": "Value"}


def test_a_method_without_a_split_leaves_nulls(run) -> None:
    table = quality_table(replace(run, outcome=replace(run.outcome, partition=None)))
    assert table["quality"].null_count == table["kept"].null_count == 6
    assert table["suggested_label"].to_pylist() == run.predicted.tolist()
    assert isinstance(table, pa.Table)


def test_a_split_of_other_ids_is_refused(run) -> None:
    split = replace(run.outcome.partition, ids=run.samples.ids[::-1])
    with pytest.raises(RunFolderError, match="in another order"):
        quality_table(replace(run, outcome=replace(run.outcome, partition=split)))
