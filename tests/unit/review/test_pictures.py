import json
import shutil
import sys

import numpy as np
import pytest
import soundfile

from made_runs import HOSTILE, run_of_pictures, write_run
from unchaff.data.load import load
from unchaff.errors import RunFolderError
from unchaff.review import pictures as module
from unchaff.review.pictures import Pictures
from unchaff.review.suspects import Suspects
from unchaff.runs.read import read


def opened(folder, data=None):
    from dataclasses import replace

    run = replace(read(folder), data=data)
    return Pictures(run, Suspects.of(run))


def row_of(place, name, x, kind):
    """Write arrays and a run about them."""
    np.savez(place / name, x=x, y=np.arange(len(x)) % 2)
    return write_run(
        place / "run",
        ids=list(range(len(x))),
        labels=[row % 2 for row in range(len(x))],
        suggested=[0] * len(x),
        quality=[0.5] * len(x),
        class_names=("0", "1"),
        data=str(place / name),
        kind=kind,
    )


def test_pictures_are_read_from_their_files_one_by_one(pictures, monkeypatch):
    read_files = []
    content = module.images.decode
    monkeypatch.setattr(
        module.images, "decode", lambda data, shape: read_files.append(1) or content(data, shape)
    )
    found = opened(pictures)
    assert read_files == [], "nothing is decoded beforehand"
    assert found.of(3).image == found.of(3).image
    assert found.of(3).alt == "Picture labelled cat"
    assert read_files == [1], "and what was seen is kept"


def test_what_is_kept_is_bounded(pictures, monkeypatch):
    monkeypatch.setattr(module, "ROOM", 1)
    found = opened(pictures)
    for row in range(5):
        found.of(row)
    assert len(found._kept) == 1


def test_sounds_are_played_at_their_own_rate_and_length(tmp_path):
    for name in ("a", "b"):
        (tmp_path / "data" / name).mkdir(parents=True)
        wave = np.sin(np.arange(12_000) / 9)
        soundfile.write(tmp_path / "data" / name / "1.wav", wave, 11_025)
    folder = write_run(
        tmp_path / "run",
        ids=["a/1.wav", "b/1.wav"],
        labels=[0, 1],
        suggested=[1, 1],
        quality=[0.1, 0.9],
        class_names=("a", "b"),
        data=str(tmp_path / "data"),
        kind="audio 40x20 from 8000 Hz sound",
    )
    media = opened(folder).of(0)
    assert media.sound.startswith("data:audio/wav")
    assert "1.1 s" in media.alt


def test_rows_of_numbers_and_arrays_of_pictures(tmp_path):
    draw = np.random.default_rng(0)
    (tmp_path / "rows").mkdir()
    rows = row_of(tmp_path / "rows", "data.npz", draw.normal(size=(6, 3)).astype("f4"), "tabular 3")
    assert len(opened(rows).of(2).rows) == 3
    (tmp_path / "bytes").mkdir()
    pixels = draw.integers(0, 255, (6, 8, 8)).astype("u1")
    assert opened(row_of(tmp_path / "bytes", "data.npz", pixels, "image 1x8x8")).of(5).image


def test_rows_of_a_table_have_the_names_of_their_columns(tmp_path):
    lines = ["width,height,label", *(f"{row}.5,{row * 2}.25,{row % 2}" for row in range(6))]
    (tmp_path / "data.csv").write_text("\n".join(lines))
    folder = write_run(
        tmp_path / "run",
        ids=list(range(6)),
        labels=[row % 2 for row in range(6)],
        suggested=[0] * 6,
        quality=[0.5] * 6,
        class_names=("0", "1"),
        data=str(tmp_path / "data.csv"),
        kind="tabular 2",
    )
    expected = (("width", "3.5"), ("height", "6.25"))
    assert opened(folder).of(3).rows == expected, "not decoded beforehand"
    samples = load(str(tmp_path / "data.csv")).train
    assert module.of_samples(samples)(3, "1").rows == expected, "read already"


def test_a_picture_that_is_gone_or_broken_says_so(pictures):
    data = pictures.parent / "data"
    found = opened(pictures)
    (data / "cat" / "000.png").unlink()
    (data / "cat" / "001.png").write_bytes(b"no picture")
    assert "cannot be read" in found.of(0).note
    assert "cannot be read" in found.of(1).note
    assert found.of(2).image


def test_data_that_changed_are_told_apart(pictures):
    data = pictures.parent / "data"
    assert opened(pictures).notes == ()
    (data / "cat" / "000.png").unlink()
    found = opened(pictures)
    assert "1 of 36 samples are not in it" in found.notes[0]
    assert found.of(0).note == "not in the data any more"


def test_other_labels_and_younger_files_are_told(tmp_path):
    folder = row_of(tmp_path, "data.npz", np.ones((6, 3), dtype="f4") * np.arange(6)[:, None], "tabular 3")
    np.savez(tmp_path / "data.npz", x=np.ones((6, 3)), y=[0, 1, 0, 1, 1, 0])
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps({**manifest, "created": "2020-01-01T00:00:00+00:00"}))
    notes = " ".join(opened(folder).notes)
    assert "2 samples have another label now" in notes
    assert "it was written after the run" in notes


def test_data_that_were_moved_are_named(pictures, tmp_path):
    shutil.move(pictures.parent / "data", tmp_path / "moved")
    assert opened(pictures, data=str(tmp_path / "moved")).of(0).image


def test_no_code_is_run_because_a_file_names_it(tmp_path):
    (tmp_path / "trap.py").write_text("raise SystemExit('it was run')")
    sys.path.insert(0, str(tmp_path))
    folder = write_run(
        tmp_path / "run", ids=[1, 2], labels=[0, 1], suggested=[1, 1], quality=[0.1, 0.9], data="trap:make"
    )
    with pytest.raises(RunFolderError, match="Say --data trap:make"):
        opened(folder)
    sys.path.remove(str(tmp_path))


def test_a_run_saved_from_python_has_no_data(tmp_path):
    folder = write_run(tmp_path / "run", ids=[1, 2], labels=[0, 1], suggested=[1, 1], quality=[0.1, 0.9])
    with pytest.raises(RunFolderError, match="saved from Python"):
        opened(folder)


def test_hostile_names_of_files_are_followed_inside_the_folder_only(tmp_path):
    folder = run_of_pictures(tmp_path, HOSTILE, count=2)
    found = opened(folder)
    assert all(found.of(row).image for row in range(8))
