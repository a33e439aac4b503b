"""Files of a run are whole or not there, on a disk and on a store."""

import uuid
from pathlib import Path

import pyarrow as pa
import pytest
import torch

from unchaff.engine.store import Store, address
from unchaff.errors import RunFolderError

TABLE = pa.table({"id": [1, 2, 3], "quality": [0.5, 0.25, 1.0]})


@pytest.fixture(params=["path", "file", "memory"])
def store(request, tmp_path):
    places = {
        "path": f"{tmp_path}/run",
        "file": f"file://{tmp_path}/run",
        "memory": f"memory://{uuid.uuid4()}",
    }
    return Store(places[request.param])


def test_what_is_put_is_found_and_dropped(store):
    assert store.names() == []
    assert store.read("a/b") is None
    store.put("a/b", b"some")
    store.put_sealed("a/c", TABLE)
    store.put_state("state", {"sums": torch.arange(3.0)}, {"units": 4})
    assert store.names() == ["a", "state"]
    assert store.names("a") == ["b", "c"]
    assert store.read("a/b") == b"some"
    assert store.sealed("a/c") == TABLE
    tensors, about = store.state("state")
    assert torch.equal(tensors["sums"], torch.arange(3.0))
    assert about == {"units": 4}
    store.drop("a")
    store.drop("a")
    assert store.names() == ["state"]


@pytest.mark.parametrize("place", [60, 90, -20])
def test_what_is_not_as_it_was_written_is_as_if_it_were_not_there(store, place):
    store.put_sealed("table", TABLE)
    store.put_state("state", {"sums": torch.arange(30.0)}, {"units": 4})
    for name, read in (("table", store.sealed), ("state", store.state)):
        content = bytearray(store.read(name))
        content[place] ^= 0xFF
        store.put(name, bytes(content))
        assert read(name) is None, name
        store.put(name, bytes(content[:40]))
        assert read(name) is None, name


def test_an_address_survives_being_a_path(tmp_path):
    assert address("s3:/bucket/run") == "s3://bucket/run"
    assert address("s3://bucket/run") == "s3://bucket/run"
    assert address(tmp_path) == str(tmp_path)
    assert address("run") == str(Path("run").resolve()), "workers may stand elsewhere"


def test_a_place_nobody_knows_is_refused_in_one_sentence():
    with pytest.raises(RunFolderError, match="all workers share"):
        Store("nowhere://bucket/run").put("a", b"")
