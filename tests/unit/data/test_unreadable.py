"""What cannot be read is listed, or refused in one sentence; nothing else gives way."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from unchaff.data import digits, from_arrays, load, load_like
from unchaff.errors import DataError

FILE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


@pytest.mark.parametrize("medium", ["Image", "Audio"])
def test_files_named_in_a_table_but_absent_are_refused_when_all_are(tmp_path, medium):
    cells = pa.array([{"bytes": None, "path": f"{row}.png"} for row in range(4)], FILE)
    features = {"x": {"_type": medium}, "label": {"_type": "ClassLabel", "names": ["a", "b"]}}
    described = {b"huggingface": json.dumps({"info": {"features": features}}).encode()}
    table = pa.table({"x": cells, "label": [0, 1, 0, 1]}).replace_schema_metadata(described)
    pq.write_table(table, tmp_path / "train.parquet")
    with pytest.raises(DataError, match="None of the 4"):
        load(str(tmp_path))


def test_pictures_that_all_break_off_are_refused(tmp_path):
    for label in "ab":
        place = tmp_path / label / "0.png"
        place.parent.mkdir()
        pixels = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(place)
        place.write_bytes(place.read_bytes()[:1000])
    with pytest.raises(DataError, match="None of the 2 images can be read"):
        load(str(tmp_path))


def test_the_test_part_of_a_pair_is_taken_to_test_on():
    found = load_like("digits", load("digits"))
    np.testing.assert_array_equal(found.ids, digits()[1].ids)


@pytest.mark.parametrize("count", [2, 5])
def test_groups_of_another_length_are_refused(count):
    with pytest.raises(DataError, match=f"4 inputs, {count} groups"):
        from_arrays(np.arange(8.0).reshape(4, 2), [0, 1, 0, 1], groups=list(range(count)))
