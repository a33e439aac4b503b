"""Tables that name image or sound files beside them in a column of plain texts."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from unchaff.data import load, load_like
from unchaff.data.options import Options
from unchaff.data.write import inject
from unchaff.errors import DataError
from unchaff.noise import parse
from unchaff.streams import Streams

NAMES = ["cat/0.png", "cat/1.png", "cat/2.png", "dog/0.png", "dog/1.png", "dog/2.png"]
LABELS = [name.partition("/")[0] for name in NAMES]


@pytest.fixture
def write(image_folder):
    """Return a function that writes columns beside the pictures, as Parquet or CSV."""

    def write(name="t.parquet", folder=image_folder, **columns):
        table = pa.table({"path": NAMES, "label": LABELS, **columns})
        if name.endswith(".csv"):
            rows = zip(*(table.column(each).to_pylist() for each in table.column_names), strict=True)
            lines = [",".join(map(str, row)) for row in rows]
            (folder / name).write_text("\n".join([",".join(table.column_names), *lines]))
        else:
            pq.write_table(table, folder / name)
        return str(folder / name)

    return write


@pytest.mark.parametrize("name", ["t.parquet", "t.csv"])
@pytest.mark.parametrize("lazy", [None, True])
def test_paths_are_read_as_the_pictures_they_name(write, image_folder, name, lazy):
    loaded = load(write(name), Options(lazy=lazy, workers=0))
    folder = load(str(image_folder)).train
    assert str(loaded.train.kind) == "image 3x6x5"
    assert loaded.train.class_names == ("cat", "dog")
    assert torch.equal(next(loaded.train.batches(6)).inputs, next(folder.batches(6)).inputs)
    assert len(load_like(write(f"other-{name}"), loaded)) == 6


def test_sound_is_read_too(tmp_path, make):
    for number in range(4):
        (tmp_path / f"{number}.flac").write_bytes(make.clip(number))
    (tmp_path / "t.csv").write_text(
        "file,label\n" + "".join(f"{each}.flac,{each % 2}\n" for each in range(4))
    )
    assert load(str(tmp_path / "t.csv")).train.kind.name == "audio"


def test_they_come_before_numbers(write):
    assert load(write(width=[3] * 6)).train.kind.name == "image"
    assert load(write(width=range(6)), Options(input_column="width")).train.kind.name == "tabular"


def test_beside_texts_either_could_be_meant(write):
    file = write("t.csv", text=["a cat", "b", "c", "d", "e", "f"])
    with pytest.raises(DataError, match="Several columns could be the input: path, text"):
        load(file)
    assert load(file, Options(input_column="path")).train.kind.name == "image"
    assert load(file, Options(input_column="text")).train.kind.name == "text"


@pytest.mark.parametrize("name", ["t.parquet", "t.csv"])
def test_files_that_are_not_there_are_no_texts(write, tmp_path, name):
    with pytest.raises(DataError, match=r"Column path names image or sound files, but there is no cat/0.png"):
        load(write(name, folder=tmp_path))


def test_files_elsewhere_are_not_looked_at(write, image_folder, tmp_path):
    (tmp_path / "inner").mkdir()
    paths = [str(image_folder / name) for name in NAMES]
    with pytest.raises(DataError, match=r"but the path .* leads out of the folder of the table"):
        load(write(folder=tmp_path / "inner", path=paths))


def test_a_noisy_copy_lies_where_the_paths_hold(write, image_folder, tmp_path):
    spec = write()
    planted = parse("symmetric:0.5")
    with pytest.raises(DataError, match=r"Column path of .* names files in its folder. Write the new table"):
        inject(spec, planted, tmp_path / "noisy.parquet", streams=Streams(0))
    inject(spec, planted, image_folder / "noisy.parquet", streams=Streams(0))
    assert str(load(str(image_folder / "noisy.parquet")).train.kind) == "image 3x6x5"
    blurred = tmp_path / "blurred.parquet"
    inject(spec, parse("gaussian:0.5"), blurred, streams=Streams(0))
    assert str(load(str(blurred)).train.kind) == "image 3x6x5", "changed inputs are in the table"
