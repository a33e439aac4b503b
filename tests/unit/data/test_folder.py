import os

import pytest

from unchaff.data.load import load, load_like
from unchaff.data.options import Options
from unchaff.errors import DataError


def test_classes_are_folders_and_ids_are_paths(image_folder):
    loaded = load(str(image_folder))
    assert loaded.train.class_names == ("cat", "dog")
    assert loaded.train.ids.tolist()[:2] == ["cat/0.png", "cat/1.png"]
    assert loaded.train.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert "2 class folders of image files" in loaded.found


def test_a_test_folder_is_matched_by_class_name(tmp_path, make):
    for path in ("train/ant", "train/bee", "train/cow", "test/cow", "test/bee"):
        (tmp_path / path).mkdir(parents=True)
        (tmp_path / path / "1.png").write_bytes(make.picture(1))
    loaded = load(str(tmp_path))
    assert loaded.test.class_names == ("ant", "bee", "cow")
    assert dict(zip(loaded.test.ids.tolist(), loaded.test.labels.tolist(), strict=True)) == {
        "bee/1.png": 1,
        "cow/1.png": 2,
    }


def test_a_class_may_be_called_train(tmp_path, make):
    for name in ("train", "bus"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.png").write_bytes(make.picture(1))
    assert load(str(tmp_path)).train.class_names == ("bus", "train")


def test_a_validation_folder_is_named_and_not_read(tmp_path, make):
    for path in ("train/ant", "train/bee", "val/ant", "val/bee"):
        (tmp_path / path).mkdir(parents=True)
        (tmp_path / path / "1.png").write_bytes(make.picture(1))
    loaded = load(str(tmp_path))
    assert loaded.test is None
    assert loaded.found.endswith(f"; {tmp_path / 'val'} beside it is not read: name it with --test.")
    assert len(load_like(str(tmp_path / "val"), loaded)) == 2
    (tmp_path / "val").rename(tmp_path / "test")
    assert "beside it" not in load(str(tmp_path)).found


def test_sound_in_any_format(tmp_path, make):
    for name in ("hi", "ho"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.FLAC").write_bytes(make.clip(0))
    assert load(str(tmp_path)).train.kind.name == "audio"


def test_other_files_are_passed_over(image_folder):
    (image_folder / "cat" / "notes.txt").write_text("x")
    (image_folder / ".cache").mkdir()
    (image_folder / "empty").mkdir()
    assert load(str(image_folder)).train.num_classes == 2


def test_mixing_kinds_is_refused(image_folder, make):
    (image_folder / "cat" / "1.wav").write_bytes(make.clip(0))
    with pytest.raises(DataError, match="mixes 6 images and 1 audio files"):
        load(str(image_folder))


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(DataError, match="no images or audio in class folders"):
        load(str(tmp_path))


def test_a_file_that_may_not_be_read_is_left_out(image_folder):
    locked = image_folder / "cat" / "0.png"
    locked.chmod(0)
    if os.access(locked, os.R_OK):
        pytest.skip("this user may read everything")
    assert [one.id for one in load(str(image_folder)).skipped] == ["cat/0.png"]


def test_a_file_that_vanishes_is_left_out_or_an_error(image_folder):
    (image_folder / "cat" / "9.png").symlink_to(image_folder / "nowhere")
    assert len(load(str(image_folder)).train) == 6
    (image_folder / "dog" / "9.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"dog/9\.png: the file is empty"):
        load(str(image_folder), Options(strict=True))


def test_lazy_folders_read_files_on_access(image_folder):
    loaded = load(str(image_folder), Options(lazy=True, workers=0))
    held = load(str(image_folder))
    assert (next(loaded.train.batches(6)).inputs == next(held.train.batches(6)).inputs).all()
