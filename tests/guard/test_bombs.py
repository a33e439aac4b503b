"""A few bytes that ask for gigabytes are refused, or left out, before they get them."""

import io
import os
import resource
import struct
import sys
import time
import zipfile
import zlib
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile
import torch
from PIL import Image

from unchaff.data import Options, load
from unchaff.errors import DataError, ModelError
from unchaff.runs.weights import load_weights

GROWTH = 2**30  # bytes of memory that refusing may take
SECONDS = 60
UNIT = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss


@pytest.fixture(autouse=True)
def _cheap():
    """See that refusing takes neither memory nor time."""
    peak, begun = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
    yield
    grown = UNIT * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak)
    assert grown < GROWTH
    assert time.monotonic() - begun < SECONDS


def skipped(folder):
    return {one.id: one.reason for one in load(str(folder)).skipped}


def png(width, height):
    """Return a picture that says it is so large, and holds hardly anything."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IDAT", zlib.compress(bytes(1000)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + body + chunk(b"IEND", b"")


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize(
    ("side", "said"), [(60_000, "decompression bomb"), (12_000, "pixels"), (2**31 - 1, ""), (9_440, "pixels")]
)
def test_a_picture_that_claims_to_be_huge_is_left_out(pictures, side, said):
    (pictures / "a" / "bomb.png").write_bytes(png(side, side))
    found = skipped(pictures)
    assert list(found) == ["a/bomb.png"]
    assert said in found["a/bomb.png"]


def test_the_limit_of_pictures_can_be_moved(pictures, monkeypatch):
    monkeypatch.setenv("UNCHAFF_MAX_PIXELS", "63")
    with pytest.raises(DataError, match="8x8 pixels, 63 allowed by UNCHAFF_MAX_PIXELS"):
        load(str(pictures))
    monkeypatch.setenv("UNCHAFF_MAX_PIXELS", "64")
    assert not skipped(pictures)
    monkeypatch.setenv("UNCHAFF_MAX_PIXELS", "many")
    with pytest.raises(DataError, match="UNCHAFF_MAX_PIXELS must be a whole number above 0, got 'many'"):
        load(str(pictures))


def test_a_program_that_draws_is_no_picture(pictures):
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, "EPS")
    (pictures / "a" / "program.png").write_bytes(buffer.getvalue())
    assert "not a readable image" in skipped(pictures)["a/program.png"]


def test_a_file_that_claims_a_terabyte_is_not_read(pictures):
    with (pictures / "a" / "sparse.png").open("wb") as file:
        file.truncate(2**40)
    assert skipped(pictures) == {"a/sparse.png": "1,099,511,627,776 bytes, 1,073,741,824 allowed by "
                                 "UNCHAFF_MAX_FILE_BYTES"}  # fmt: skip


def sound(kind="FLAC", seconds=0.2):
    buffer = io.BytesIO()
    wave = np.sin(np.arange(round(8000 * seconds)) / 9) * 0.4
    soundfile.write(buffer, wave, 8000, format=kind)
    return bytearray(buffer.getvalue())


@pytest.fixture
def sounds(tmp_path):
    for name in ("a/1.wav", "b/1.wav", "b/2.wav"):
        (tmp_path / "sounds" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "sounds" / name).write_bytes(sound())
    return tmp_path / "sounds"


def flac_of(samples):
    content = sound()
    packed = int.from_bytes(content[18:26], "big") >> 36 << 36 | samples  # the last 36 bits: how many
    content[18:26] = packed.to_bytes(8, "big")
    return content


def wav_of(rate=8000, size=1600):
    head = struct.pack("<4sI4s4sIHHIIHH", b"RIFF", 2**32 - 1, b"WAVE", b"fmt ", 16, 1, 1, rate, rate, 1, 8)
    return head + struct.pack("<4sI", b"data", size) + bytes(range(1, 161)) * 10


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (flac_of(2**36 - 1), "seconds, 3,600 allowed by UNCHAFF_MAX_SECONDS"),
        (flac_of(3_601 * 8000), "3,601 seconds"),
        (wav_of(rate=2**31 - 1), "2,147,483,647 samples a second, at most 768,000"),
    ],
    ids=["months", "an hour", "a rate"],
)
def test_a_sound_that_claims_to_be_long_is_left_out(sounds, content, said):
    (sounds / "a" / "bomb.wav").write_bytes(content)
    assert said in skipped(sounds)["a/bomb.wav"]


def test_a_header_of_hours_over_a_short_sound_is_a_short_sound(sounds):
    (sounds / "a" / "bomb.wav").write_bytes(wav_of(size=2**32 - 1))
    loaded = load(str(sounds))
    assert loaded.prepare.seconds < 1


def test_a_small_file_of_a_long_sound_is_left_out(sounds, monkeypatch):
    buffer = io.BytesIO()
    soundfile.write(buffer, np.ones(8000 * 60, dtype=np.int16), 8000, format="FLAC")
    assert len(buffer.getvalue()) < 10_000
    (sounds / "a" / "bomb.flac").write_bytes(buffer.getvalue())
    monkeypatch.setenv("UNCHAFF_MAX_SECONDS", "10")
    assert "60 seconds, 10 allowed" in skipped(sounds)["a/bomb.flac"]
    monkeypatch.delenv("UNCHAFF_MAX_SECONDS")
    monkeypatch.setenv("UNCHAFF_MAX_SOUND_VALUES", "100000")
    assert "480,000 values, 100,000 allowed" in skipped(sounds)["a/bomb.flac"]


def write(path, columns, **options):
    pq.write_table(pa.table(columns), path, store_schema=False, **options)
    return str(path)


@pytest.mark.parametrize("kind", ["text", "files"])
def test_a_cell_stored_once_for_many_rows_is_not_unpacked(tmp_path, monkeypatch, kind):
    monkeypatch.setenv("UNCHAFF_MAX_TABLE_BYTES", str(2**30))
    rows = 100_000
    same = pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, dtype=np.int32)), pa.array(["x" * 2**20]))
    cells = same if kind == "text" else pa.StructArray.from_arrays([same, same], ["bytes", "path"])
    file = write(tmp_path / "bomb.parquet", {"text": cells, "label": np.arange(rows) % 2})
    assert os.path.getsize(file) < 200_000  # noqa: PTH202
    with pytest.raises(
        DataError, match="unpacks to more bytes than the 1,073,741,824 allowed by UNCHAFF_MAX_T"
    ):
        load(file)


def test_files_stored_once_for_many_rows_do_not_fill_the_disk(tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=2**25))
    rows = 10_000
    same = pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, dtype=np.int32)), pa.array(["x" * 2**20]))
    cells = pa.StructArray.from_arrays([same, pa.nulls(rows, pa.string())], ["bytes", "path"])
    file = write(tmp_path / "bomb.parquet", {"img": cells, "label": np.arange(rows) % 2})
    with pytest.raises(DataError, match=r"unpacks to more than the 0\.0 GB that are free"):
        load(file, Options(lazy=True))


def test_many_numbers_stored_as_one_are_not_unpacked(tmp_path, monkeypatch):
    monkeypatch.setenv("UNCHAFF_MAX_TABLE_BYTES", str(2**24))
    rows = 4 * 2**20
    file = write(tmp_path / "bomb.parquet", {"a": np.zeros(rows), "label": np.zeros(rows, dtype=np.int64)})
    assert os.path.getsize(file) < 100_000  # noqa: PTH202
    with pytest.raises(DataError, match="unpacks to more bytes"):
        load(file)


def test_a_cell_that_claims_a_gigabyte_is_refused(tmp_path):
    text = ["some text that can be found", "other", "third", "fourth"]
    file = tmp_path / "bomb.parquet"
    write(file, {"text": text, "label": [0, 1, 0, 1]}, compression="none", use_dictionary=False)
    content = file.read_bytes()
    place = content.index(struct.pack("<I", len(text[0])) + text[0].encode())
    file.write_bytes(content[:place] + struct.pack("<I", 2**30) + content[place + 4 :])
    with pytest.raises(DataError, match=r"bomb\.parquet cannot be read as Parquet"):
        load(str(file))


def test_a_column_of_lists_is_no_label_however_long(tmp_path):
    lists = pa.ListArray.from_arrays(
        pa.array([0, 10**6, 2 * 10**6]), pa.array(np.zeros(2 * 10**6, dtype=np.int8))
    )
    with pytest.raises(DataError, match="several labels per sample"):
        load(write(tmp_path / "lists.parquet", {"a": [1.0, 2.0], "label": lists}))


def test_an_archive_that_unpacks_to_too_much_is_refused(tmp_path, monkeypatch):
    np.savez_compressed(
        tmp_path / "bomb.npz", x=np.zeros((10**6, 20), dtype=np.int8), y=np.zeros(2, dtype=int)
    )
    assert (tmp_path / "bomb.npz").stat().st_size < 100_000
    monkeypatch.setenv("UNCHAFF_MAX_TABLE_BYTES", "10000000")
    with pytest.raises(DataError, match=r"unpacks to 20,000,2.. bytes, 10,000,000 allowed"):
        load(str(tmp_path / "bomb.npz"))


def test_an_array_that_claims_terabytes_is_refused(tmp_path):
    head = b"{'descr': '<f8', 'fortran_order': False, 'shape': (1000000, 1000000), }".ljust(117) + b"\n"
    with zipfile.ZipFile(tmp_path / "bomb.npz", "w") as packed:
        for name in ("x.npy", "y.npy"):
            packed.writestr(name, b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head)
    with pytest.raises(DataError, match="cannot be read as a NumPy archive"):
        load(str(tmp_path / "bomb.npz"))


def test_weights_that_unpack_to_more_than_they_are_are_refused(tmp_path):
    torch.save({"weight": torch.zeros(1000, 1000)}, tmp_path / "honest.pt")
    with zipfile.ZipFile(tmp_path / "honest.pt") as honest:
        held = {name: honest.read(name) for name in honest.namelist()}
    with zipfile.ZipFile(tmp_path / "bomb.pt", "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in held.items():
            packed.writestr(name, content)
    assert set(load_weights(tmp_path / "honest.pt")) == {"weight"}
    with pytest.raises(ModelError, match=r"would unpack to 4,0.* bytes, more than it has"):
        load_weights(tmp_path / "bomb.pt")


def test_weights_in_an_archive_of_several_disks_are_refused(tmp_path):
    torch.save({"weight": torch.zeros(3)}, tmp_path / "whole.pt")
    whole = (tmp_path / "whole.pt").read_bytes()
    disks = struct.pack("<4sLQL", b"PK\x06\x07", 1, 0, 2)
    (tmp_path / "part.pt").write_bytes(whole[:-22] + disks + whole[-22:])
    with pytest.raises(ModelError, match=r"part.pt is a broken archive \(.*disks.*\)"):
        load_weights(tmp_path / "part.pt")


@pytest.mark.parametrize("label", [10_000, 10**12, 2**62])
@pytest.mark.parametrize("suffix", ["npz", "csv", "parquet"])
def test_a_label_of_billions_makes_no_billions_of_classes(tmp_path, label, suffix):
    file = tmp_path / f"data.{suffix}"
    x, y = np.arange(6.0).reshape(3, 2), np.array([0, 1, label])
    if suffix == "npz":
        np.savez(file, x=x, y=y)
    elif suffix == "csv":
        file.write_text("a,label\n" + "".join(f"1.5,{one}\n" for one in y))
    else:
        write(file, {"a": x[:, 0], "label": y})
    with pytest.raises(
        DataError, match=f"There would be {label + 1:,} classes, 10,000 allowed by UNCHAFF_MAX"
    ):
        load(str(file))


def test_names_of_classes_are_counted_too(tmp_path, monkeypatch):
    monkeypatch.setenv("UNCHAFF_MAX_CLASSES", "2")
    (tmp_path / "data.csv").write_text("a,label\n1,x\n2,y\n3,z\n")
    with pytest.raises(DataError, match="There would be 3 classes, 2 allowed"):
        load(str(tmp_path / "data.csv"))


def test_a_text_longer_than_any_book_is_left_out(tmp_path, monkeypatch):
    monkeypatch.setenv("UNCHAFF_MAX_CHARACTERS", "20")
    (tmp_path / "data.csv").write_text("text,label\none,0\ntwo,1\n" + "many " * 9 + ",1\n")
    loaded = load(str(tmp_path / "data.csv"), Options())
    assert [one.reason for one in loaded.skipped] == ["45 characters, 20 allowed by UNCHAFF_MAX_CHARACTERS"]


def test_one_long_id_does_not_make_all_of_them_long(tmp_path):
    ids = ["x" * 10**6, *map(str, range(99))]
    file = write(tmp_path / "ids.parquet", {"id": ids, "a": np.arange(100.0), "label": np.arange(100) % 2})
    with pytest.raises(DataError, match="Column id holds 1,000,000 characters in one cell, 4,096 allowed"):
        load(file)
