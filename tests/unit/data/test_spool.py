"""Files in large tables are laid out on disk once, and read from there one by one."""

import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile
from collections import namedtuple
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

import unchaff
from unchaff.data import loader, parquet
from unchaff.data.listing import Subset
from unchaff.data.load import load
from unchaff.data.options import Options
from unchaff.data.sources import OnDisk
from unchaff.data.spool import Spool, _cells, size_of, spooled
from unchaff.errors import DataError

CELL = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
CONTENTS = [bytes([row]) * (row % 7) for row in range(200)]


@pytest.fixture
def tables(tmp_path):
    """Two files: of one row group, and of many; one input lies beside them."""
    (tmp_path / "beside").write_bytes(b"beside")
    cells = [{"bytes": content, "path": "x"} for content in CONTENTS]
    cells[150] = {"bytes": None, "path": "beside"}
    cells[151] = {"bytes": None, "path": None}
    parts = [(cells[:120], 1000), (cells[120:], 9)]
    paths = [tmp_path / f"{number}.parquet" for number in range(2)]
    for path, (part, size) in zip(paths, parts, strict=True):
        table = pa.table({"x": pa.array(part, CELL), "label": np.arange(len(part)) % 2})
        pq.write_table(table, path, row_group_size=size)
    return paths


def test_every_input_is_found_in_any_order(tables):
    spool = spooled(tables, "x", None)
    expected = [*CONTENTS[:150], b"beside", b"", *CONTENTS[152:]]
    assert len(spool) == 200
    for row in np.random.default_rng(0).permutation(200).tolist():
        assert spool[row] == expected[row]


@pytest.mark.parametrize("rows", [1, 70, 130])
def test_only_the_first_rows_are_laid_out(tables, rows):
    spool = spooled(tables, "x", rows)
    assert len(spool) == rows
    assert os.fstat(spool.file.descriptor).st_size == sum(map(len, CONTENTS[:rows]))


def test_the_file_has_no_name_that_a_killed_run_could_leave(tables, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    spool = spooled(tables, "x", None)
    assert spool[6] == CONTENTS[6]
    assert list((tmp_path / "temporary").iterdir()) == []


class Lengths:
    """The length of each input."""

    def __init__(self, spool):
        self.spool = spool

    def __len__(self):
        return len(self.spool)

    def __getitem__(self, row):
        return torch.tensor([len(self.spool[row])])


@pytest.mark.parametrize("start", ["fork", pytest.param("spawn", marks=pytest.mark.slow)])
def test_workers_read_the_same_file_however_they_are_started(start, tables, monkeypatch):
    monkeypatch.setattr(loader, "CONTEXT", multiprocessing.get_context(start))
    items = Lengths(spooled(tables, "x", 100))
    found = torch.cat(list(loader.decoded(items, np.arange(100).reshape(10, 10), 2)))
    assert found[:, 0].tolist() == [len(content) for content in CONTENTS[:100]]


def test_no_room_is_said_before_it_is_filled(tables, monkeypatch):
    usage = namedtuple("usage", "free")(free=10)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage)
    with pytest.raises(DataError, match=r"are free\. Name another folder in TMPDIR"):
        spooled(tables, "x", None)


def test_large_tables_are_read_from_disk_by_themselves(image_table, monkeypatch):
    assert size_of([Path(image_table)]) > 500
    monkeypatch.setattr(parquet, "SPOOLED_ABOVE", 500)
    seen = []
    monkeypatch.setattr(parquet, "spooled", lambda *args: seen.append(args) or spooled(*args))
    large = load(image_table).train
    assert len(seen) == 1
    lazy = load(image_table, Options(lazy=True, workers=0)).train
    assert isinstance(lazy.source, OnDisk)
    held = load(image_table, Options(lazy=False)).train
    assert len(seen) == 2, "what shall be in memory is not laid out"
    first, *others = (next(each.batches(10)).inputs for each in (held, large, lazy))
    assert all(torch.equal(first, each) for each in others)
    encoded = lazy.source.items.encoded
    while isinstance(encoded, Subset):
        encoded = encoded.encoded
    assert isinstance(encoded, Spool)


def test_no_more_than_a_row_group_is_held(tmp_path):
    """Asked for all row groups at once, the reader had held on to each of them until the end."""
    file, cell = tmp_path / "large.parquet", 200_000
    with pq.ParquetWriter(file, pa.schema([("x", CELL)]), compression="none") as writer:
        for _ in range(20):
            cells = [{"bytes": os.urandom(cell), "path": None} for _ in range(5)]
            writer.write_table(pa.table({"x": pa.array(cells, CELL)}))
    before, held = pa.total_allocated_bytes(), []
    for content, _ in _cells([file], "x", None):
        assert len(content) == cell
        held.append(pa.total_allocated_bytes() - before)
    assert len(held) == 100
    assert max(held) < 4 * 5 * cell


BROKEN_FOOTERS = """
import io, struct, sys
from pathlib import Path
import pyarrow as pa, pyarrow.parquet as pq
from unchaff.data.load import load
from unchaff.data.options import Options
from unchaff.errors import UnchaffError

buffer = io.BytesIO()
pq.write_table(pa.table({"img": pa.array([{"bytes": b"abc", "path": "x"}] * 8), "label": [0, 1] * 4}), buffer)
whole = buffer.getvalue()
end = len(whole) - 8
start = end - struct.unpack("<I", whole[end : end + 4])[0]
for place in range(start, end):
    file = Path(sys.argv[1])
    file.write_bytes(whole[:place] + bytes(1) + whole[place + 1 :])
    try:
        load(str(file), Options(lazy=True, workers=0))
    except UnchaffError:
        pass
print(end - start)
"""


def test_a_footer_with_a_broken_byte_does_not_end_the_process(tmp_path):
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", BROKEN_FOOTERS, str(tmp_path / "t.parquet")],
        env={**os.environ, "PYTHONPATH": str(Path(unchaff.__file__).parents[1])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert int(done.stdout) > 500
