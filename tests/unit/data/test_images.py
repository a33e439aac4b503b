"""Images of any size and mode become bytes of one shape, and what cannot be read is named."""

from io import BytesIO

import numpy as np
import pytest
import torch
from PIL import Image

from unchaff.data.load import load
from unchaff.data.options import Options
from unchaff.errors import DataError


@pytest.fixture
def read(tmp_path, make):
    def read(files, **options):
        labels = [row % 2 for row in range(len(files))]
        path = make.table(tmp_path / "t.parquet", {"img": files, "label": labels}, medium="Image")
        return load(path, Options(**options))

    return read


def test_the_most_common_size_wins_and_the_rest_is_resized_and_said(read, make):
    loaded = read([make.picture(0), make.picture(1), make.picture(2, size=(9, 9))])
    assert loaded.train.kind.shape == (3, 6, 5)
    assert loaded.notes == ("1 of 3 images were resized to 6x5.",)


def test_a_given_size_wins(read, make):
    assert read([make.picture(0), make.picture(1)], size=(4, 3)).train.kind.shape == (3, 4, 3)


def test_all_grey_stays_grey_with_one_view(read, make):
    kind = read([make.picture(0, mode="L"), make.picture(1, mode="L")]).train.kind
    assert (kind.shape, kind.views) == ((1, 6, 5), ("plain",))


def test_mixed_modes_become_colour_and_it_is_said(read, make):
    loaded = read([make.picture(0), make.picture(1, mode="L")])
    assert loaded.train.kind.shape == (3, 6, 5)
    assert loaded.train.kind.views == ("plain", "mirror")
    assert loaded.notes == ("Images were converted to colour: 1 of mode L.",)


@pytest.mark.parametrize(("mirror", "views"), [(False, ("plain",)), (True, ("plain", "mirror"))])
def test_the_mirror_option_decides(read, make, mirror, views):
    assert read([make.picture(0), make.picture(1)], mirror=mirror).train.kind.views == views


def test_lossless_files_come_back_byte_for_byte(read, make):
    files = [make.picture(0), make.picture(1)]
    raw = read(files).train.source.raw(np.array([1]))[0]
    assert np.array_equal(raw.permute(1, 2, 0).numpy(), np.asarray(Image.open(BytesIO(files[1]))))


@pytest.mark.parametrize("lazy", [False, True])
def test_broken_files_are_left_out_by_id(read, make, lazy):
    whole = make.picture(0, size=(20, 20))
    loaded = read([whole, make.picture(1, size=(20, 20)), b"", b"not an image", whole[:200]], lazy=lazy)
    assert loaded.train.ids.tolist() == [0, 1]
    reasons = {one.id: one.reason for one in loaded.skipped}
    assert reasons[2] == "the file is empty"
    assert sorted(reasons) == [2, 3, 4]
    assert reasons[3].startswith("not a readable image")
    assert len(next(loaded.train.batches(5)).inputs) == 2


def test_strict_refuses_broken_files(read, make):
    with pytest.raises(DataError, match=r"1 samples cannot be used: 2: the file is empty"):
        read([make.picture(0), make.picture(1), b""], strict=True)


def test_all_broken_is_an_error(read):
    with pytest.raises(DataError, match="None of the 2 images can be read"):
        read([b"x", b"y"])


def test_lazy_gives_the_same_batches(read, make):
    files = [make.picture(row, size=(6 + row % 2, 5)) for row in range(7)]
    held, lazy = read(files), read(files, lazy=True, workers=2)
    assert not lazy.train.source.in_memory
    assert "decoded on access" in lazy.found
    for one, other in zip(held.train.batches(3), lazy.train.batches(3), strict=True):
        assert torch.equal(one.inputs, other.inputs)
        assert torch.equal(one.labels, other.labels)
