"""What holds for every format: small files parse, and give sound samples."""

from io import BytesIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile
import torch
from PIL import Image

from unchaff.data.frontends import from_json
from unchaff.data.load import load
from unchaff.data.options import Options
from unchaff.errors import ConfigError

LABELS = np.arange(8) % 2
COLUMNS = np.random.default_rng(0).normal(size=(8, 3)).astype(np.float32)


def picture(row):
    buffer = BytesIO()
    Image.fromarray(np.full((6, 6, 3), 20 * row, dtype=np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def tone(row):
    buffer = BytesIO()
    wave = 0.3 * np.sin(np.arange(800) * (row + 1) / 20)
    soundfile.write(buffer, wave, 8000, format="FLAC")
    return buffer.getvalue()


def parquet(make):
    def write(folder):
        cells = pa.array([{"bytes": make(row), "path": str(row)} for row in range(8)])
        pq.write_table(pa.table({"x": cells, "label": LABELS}), folder / "t.parquet")
        return folder / "t.parquet"

    return write


def class_folders(make, suffix):
    def write(folder):
        for row in range(8):
            place = folder / "train" / str(LABELS[row])
            place.mkdir(parents=True, exist_ok=True)
            (place / f"{row}.{suffix}").write_bytes(make(row))
        return folder / "train"

    return write


def table(suffix):
    def write(folder):
        mark = "\t" if suffix == "tsv" else ","
        rows = [[*map(str, values), str(label)] for values, label in zip(COLUMNS, LABELS, strict=True)]
        lines = [mark.join(row) for row in [["a", "b", "c", "label"], *rows]]
        (folder / f"t.{suffix}").write_text("\n".join(lines))
        return folder / f"t.{suffix}"

    return write


def texts(suffix):
    def write(folder):
        mark = "\t" if suffix == "tsv" else ","
        rows = [f"word{row} and one{mark}{'no' if LABELS[row] else 'yes'}" for row in range(8)]
        (folder / f"t.{suffix}").write_text("\n".join([f"text{mark}label", *rows]))
        return folder / f"t.{suffix}"

    return write


def archive(folder):
    np.savez(folder / "t.npz", x=COLUMNS, y=LABELS)
    return folder / "t.npz"


FORMATS = {
    "digits": lambda _folder: "digits",
    "parquet of images": parquet(picture),
    "parquet of sound": parquet(tone),
    "folders of images": class_folders(picture, "png"),
    "folders of sound": class_folders(tone, "flac"),
    "npz": archive,
    "csv": table("csv"),
    "tsv": table("tsv"),
    "csv of texts": texts("csv"),
    "tsv of texts": texts("tsv"),
}


@pytest.fixture(params=FORMATS)
def spec(request, tmp_path):
    return str(FORMATS[request.param](tmp_path))


def test_shapes_labels_and_ids_are_sound(spec):
    samples = load(spec).train
    batch = next(samples.batches(4))
    assert batch.inputs.shape == (4, *samples.kind.shape)
    assert batch.inputs.dtype == (torch.int64 if samples.kind.name == "text" else torch.float32)
    assert batch.inputs.isfinite().all()
    assert 0 <= int(samples.labels.min()) <= int(samples.labels.max()) < samples.num_classes
    assert np.array_equal(samples.ids, np.unique(samples.ids))
    assert len(samples.labels) == len(samples)


def test_what_was_found_is_one_sentence(spec):
    loaded = load(spec)
    assert loaded.found.startswith(f"{len(loaded.train)} samples ({loaded.train.kind})")
    assert loaded.found.endswith(".")
    assert loaded.skipped == ()


def test_twice_gives_the_same(spec):
    one, two = load(spec).train, load(spec).train
    assert torch.equal(next(one.batches(8)).inputs, next(two.batches(8)).inputs)


def test_lazy_gives_the_same(spec):
    if spec == "digits":
        pytest.skip("built in: --lazy is refused")
    held, lazy = load(spec).train, load(spec, Options(lazy=True, workers=0)).train
    assert torch.equal(next(held.batches(8)).inputs, next(lazy.batches(8)).inputs)


SETTINGS = {
    "size": (16, 16),
    "mirror": False,
    "rate": 4000,
    "seconds": 0.05,
    "length": 2,
    "mean": (0.5,),
    "std": (0.5,),
    "label_column": "label",
}


@pytest.mark.parametrize("name", SETTINGS)
def test_a_setting_changes_what_is_read_or_is_refused(spec, name):
    """None is taken and ignored."""
    options = Options(**{name: SETTINGS[name]})
    plain = load(spec).train
    read, refused = None, ""
    try:
        read = load(spec, options).train
    except ConfigError as error:
        refused = str(error)
    if read is None:
        assert refused.startswith(f"{name} was given, but ")
        return
    if name == "label_column":
        assert spec.endswith(("parquet", "csv", "tsv"))
        return
    differs = read.kind != plain.kind or not torch.equal(
        next(read.batches(8)).inputs, next(plain.batches(8)).inputs
    )
    assert differs


def test_the_first_rows_can_be_asked_for(spec):
    assert len(load(spec, Options(rows=6)).train) == 6


def test_raw_inputs_and_the_saved_preparation_give_the_network_inputs(spec):
    loaded = load(spec)
    prepare = from_json(loaded.prepare.to_json())
    rows = np.arange(5)
    assert torch.equal(prepare(loaded.train.source.raw(rows)), next(loaded.train.batches(5)).inputs)
