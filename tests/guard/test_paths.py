"""A file named in a table is read in the folder of the table only."""

import os
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from unchaff.data import load
from unchaff.errors import DataError

FILE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def written(names, labels, file, how):
    """Write a table of files: with cells as the hub has them, or with their paths as plain texts."""
    if how == "csv":
        rows = (f'"{name}",{label}' for name, label in zip(names, labels, strict=True))
        file = file.with_suffix(".csv")
        file.write_text("\n".join(["img,label", *rows]))
        return str(file)
    cells = pa.array([{"bytes": None, "path": name} for name in names], FILE) if how == "cells" else names
    pq.write_table(pa.table({"img": cells, "label": np.array(labels)}), file)
    return str(file)


@pytest.fixture(params=["cells", "texts", "csv"])
def table(pictures, request):
    """Return a function: read a table beside the pictures that names one more file; what is left out."""

    def read(path):
        names = ["pictures/a/0.png", "pictures/b/1.png", "./pictures/a/2.png", path]
        file = pictures.parent / "inner" / "t.parquet"
        shutil.copytree(pictures, file.parent / "pictures", dirs_exist_ok=True)
        loaded = load(written(names, [0, 1, 0, 1], file, request.param))
        assert loaded.train.kind.name == "image"
        return {one.id: one.reason for one in loaded.skipped}

    return read


def test_a_file_beside_the_table_is_read(table):
    assert table("pictures/b/3.png") == {}
    assert table("pictures/../pictures/b/3.png") == {}


@pytest.mark.parametrize(
    "path", ["../pictures/b/3.png", "pictures/../../pictures/b/3.png", "{}/pictures/b/3.png"]
)
def test_a_path_that_leads_out_is_not_followed(table, pictures, path):
    path = path.format(pictures.parent)
    assert table(path) == {3: f"the path {path} leads out of the folder of the table, and is not followed"}


def test_a_link_that_leads_out_is_not_followed(table, pictures):
    (pictures.parent / "inner").mkdir()
    (pictures.parent / "inner" / "link.png").symlink_to(pictures / "b" / "3.png")
    (pictures.parent / "inner" / "folder").symlink_to(pictures)
    for path in ("link.png", "folder/b/3.png"):
        assert "leads out of the folder" in table(path)[3]


def test_a_link_that_stays_inside_is_followed(table, pictures):
    (pictures.parent / "inner" / "links").mkdir(parents=True)
    (pictures.parent / "inner" / "links" / "3.png").symlink_to("../pictures/b/3.png")
    assert table("links/3.png") == {}


@pytest.mark.parametrize("path", ["", ".", "pictures", "nowhere.png", "x" * 5000, "a\x00b", "/etc/passwd"])
def test_what_is_no_file_is_left_out(table, path):
    assert list(table(path)) == [3]


def test_what_never_ends_is_not_read(table, pictures):
    (pictures.parent / "inner").mkdir()
    os.mkfifo(pictures.parent / "inner" / "pipe.png")
    assert list(table("pipe.png")) == [3]
    os.mkfifo(pictures / "a" / "pipe.png")
    assert len(load(str(pictures)).train) == 12


def test_a_folder_of_links_is_a_usual_way_to_choose(pictures):
    chosen = pictures.parent / "chosen"
    for name in ("a/0.png", "a/2.png", "b/1.png"):
        (chosen / name).parent.mkdir(parents=True, exist_ok=True)
        (chosen / name).symlink_to(pictures / name)
    (chosen / "b" / "gone.png").symlink_to(pictures / "gone.png")
    assert load(str(chosen)).train.ids.tolist() == ["a/0.png", "a/2.png", "b/1.png"]


def test_links_in_a_circle_end(pictures):
    (pictures / "a" / "again").symlink_to(pictures)
    (pictures / "c").symlink_to(pictures / "c")
    assert len(load(str(pictures)).train) == 12


def test_a_name_that_is_no_text_is_named(pictures):
    try:
        (pictures / "a" / os.fsdecode(b"\xff.png")).write_bytes(b"")
    except OSError:
        pytest.skip("this file system takes UTF-8 only")
    with pytest.raises(DataError, match=r"The name b'a/\\xff.png' in .* is not UTF-8\. Rename it\."):
        load(str(pictures))


@pytest.mark.parametrize("path", ["a\0b.png", "x" * 5000 + ".png"], ids=["null", "long"])
def test_what_no_file_can_be_called_is_left_out(table, path):
    assert table(path) == {3: f"{path[:80]!r} is no name of a file"}
