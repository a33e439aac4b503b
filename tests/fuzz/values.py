"""Valid files of values that nobody expects: types, names, sizes."""

import csv
import io
import json
from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from fuzz.mutations import VALUES

NAMES = st.sampled_from(["id", "text", "a", "b", "img", "target", "a.b"]) | st.text(
    st.characters(exclude_categories=["Cs"]), max_size=5
)
HOSTILE = st.sampled_from(
    ["", "\x00", "\x1b[31m", "=1+1", "<b>", "../../etc/passwd", "/dev/zero", "-1", "nan", "9" * 40, '"', ","]
)
TEXTS = HOSTILE | st.text(st.characters(exclude_categories=["Cs"]), max_size=10)
WHOLE = st.integers(0, 2) | st.integers(-(2**63), 2**63 - 1)
FILE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
CELLS = (
    (pa.int64(), WHOLE),
    (pa.int8(), st.integers(-2, 2)),
    (pa.uint64(), st.integers(0, 2**64 - 1)),
    (pa.float64(), st.floats()),
    (pa.bool_(), st.booleans()),
    (pa.string(), TEXTS),
    (pa.large_string(), TEXTS),
    (pa.binary(), st.binary(max_size=20)),
    (pa.list_(pa.int64()), st.lists(WHOLE, max_size=3)),
    (pa.date32(), st.dates()),
    (pa.timestamp("us"), st.datetimes(min_value=datetime(1990, 1, 1), max_value=datetime(2100, 1, 1))),  # noqa: DTZ001
    (pa.decimal128(5, 2), st.decimals(-9, 9, places=2)),
    (pa.dictionary(pa.int32(), pa.string()), TEXTS),
    (FILE, st.fixed_dictionaries({"bytes": st.none() | st.binary(max_size=9), "path": st.none() | TEXTS})),
    (pa.struct([("bytes", pa.list_(pa.int8()))]), st.fixed_dictionaries({"bytes": st.none()})),
    (pa.map_(pa.string(), pa.int8()), st.just([("k", 1)])),
    (pa.null(), st.none()),
)


TOLD = {"label": {"_type": "ClassLabel", "names": ["no", "yes", "maybe"]}}
RARELY = st.integers(0, 3).map(lambda number: number == 3)  # the simplest example is the usual one


@st.composite
def tables(draw: st.DrawFn) -> bytes:
    """Return a Parquet file of up to four columns, and something said of them."""
    rows = draw(st.integers(0 if draw(RARELY) else 3, 6))
    columns, names = (
        [],
        [
            "label",
            *draw(st.lists(NAMES.filter(lambda name: name != "label"), min_size=1, max_size=3, unique=True)),
        ],
    )
    for name in names:
        usual = CELLS[:2] if name == "label" else CELLS
        kind, cells = draw(st.sampled_from(CELLS if draw(RARELY) else usual))
        cells = st.integers(-1, 2) if name == "label" and kind == pa.int64() and not draw(RARELY) else cells
        values = st.none() | cells if draw(RARELY) else cells
        columns.append(pa.array(draw(st.lists(values, min_size=rows, max_size=rows)), kind))
    features = draw(VALUES) if draw(RARELY) else TOLD
    told = draw(st.binary()) if draw(RARELY) else json.dumps({"info": {"features": features}}).encode()
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns, names).replace_schema_metadata({b"huggingface": told}), buffer)
    return buffer.getvalue()


@st.composite
def texts(draw: st.DrawFn) -> bytes:
    """Return a table of text with a header, in which anything may stand."""
    labels = TEXTS | WHOLE.map(str) if draw(RARELY) else st.sampled_from(["0", "1", "2"])
    cells = TEXTS if draw(st.booleans()) else st.sampled_from(["0", "1", "2.5", "-3", "nan", ""])
    names = draw(st.lists(NAMES.filter(lambda name: name != "label"), min_size=1, max_size=3, unique=True))
    buffer = io.StringIO()
    writer = csv.writer(buffer, quoting=csv.QUOTE_ALL if draw(st.booleans()) else csv.QUOTE_MINIMAL)
    writer.writerow([*names, "label"])
    for _ in range(draw(st.integers(0, 6))):
        writer.writerow([*(draw(cells) for _ in names), draw(labels)])
    return buffer.getvalue().encode(errors="replace")


KINDS = (
    arrays.scalar_dtypes() | arrays.unicode_string_dtypes(max_len=9) | arrays.byte_string_dtypes(max_len=9)
)
SHAPES = arrays.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5)


@st.composite
def archives(draw: st.DrawFn) -> bytes:
    """Return a NumPy archive of arrays of any type and shape under the names that are read."""
    names = draw(st.sets(st.sampled_from(["ids", "class_names", "x_test", "y_test"]), max_size=3))
    usual = {"x": np.arange(8.0).reshape(4, 2), "y": np.array([0, 1, 0, 1])}
    held = {}
    for name in ["x", "y", *sorted(names)]:
        kind = draw(KINDS | st.sampled_from([np.dtype(np.int64), np.dtype(np.float32), np.dtype(np.uint8)]))
        strange = name not in usual or draw(RARELY)
        shape = draw(SHAPES) if draw(RARELY) else {"x_test": (4, 2)}.get(name, 4)
        held[name] = draw(arrays.arrays(kind, shape)) if strange else usual[name]
    buffer = io.BytesIO()
    np.savez(buffer, **held)
    return buffer.getvalue()
