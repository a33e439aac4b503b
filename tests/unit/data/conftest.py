"""Small files of every format."""

import json
from io import BytesIO
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile
from PIL import Image

FILE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def picture(seed, size=(6, 5), mode="RGB", suffix="png"):
    """Return an image file of (height, width)."""
    shape = (*size, 3) if mode == "RGB" else size
    pixels = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, suffix.upper())
    return buffer.getvalue()


def clip(seed, seconds=0.2, rate=8000, channels=1):
    """Return a FLAC file with a tone."""
    time = np.arange(round(seconds * rate)) / rate
    wave = 0.4 * np.sin(2 * np.pi * (200 + 100 * seed) * time)
    buffer = BytesIO()
    soundfile.write(buffer, np.stack([wave] * channels, axis=1), rate, format="FLAC")
    return buffer.getvalue()


def write_table(path, columns, names=("a", "b"), medium=None, label="label"):
    """Write a Parquet file in the layout of the hub."""
    columns = dict(columns)
    for name, values in columns.items():
        if isinstance(values, list) and values and isinstance(values[0], bytes):
            columns[name] = pa.array(
                [{"bytes": one, "path": f"{row}"} for row, one in enumerate(values)], FILE
            )
    table = pa.table(columns)
    features = {label: {"_type": "ClassLabel", "names": list(names)}} if names else {}
    if medium:
        features[next(iter(columns))] = {"_type": medium}
    described = json.dumps({"info": {"features": features}}).encode()
    pq.write_table(table.replace_schema_metadata({b"huggingface": described}), path)
    return str(path)


@pytest.fixture
def image_table(tmp_path):
    files = [picture(seed) for seed in range(10)]
    return write_table(tmp_path / "images.parquet", {"img": files, "label": [0, 1] * 5}, medium="Image")


@pytest.fixture
def audio_table(tmp_path):
    files = [clip(seed) for seed in range(8)]
    return write_table(tmp_path / "audio.parquet", {"audio": files, "label": [0, 1] * 4}, medium="Audio")


@pytest.fixture
def image_folder(tmp_path):
    for label, name in enumerate(("cat", "dog")):
        place = tmp_path / "photos" / name
        place.mkdir(parents=True)
        for number in range(3):
            (place / f"{number}.png").write_bytes(picture(10 * label + number))
    return tmp_path / "photos"


@pytest.fixture(scope="session")
def make():
    """The makers above, as importing one test file from another is not possible here."""
    return SimpleNamespace(picture=picture, clip=clip, table=write_table)
