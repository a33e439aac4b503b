"""A small valid file of every kind that is read."""

import io
import json
from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import safetensors.torch
import soundfile
import torch
from PIL import Image

FILE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


@cache
def pictures() -> tuple[bytes, ...]:
    pixels = np.arange(6 * 5 * 3, dtype=np.uint8).reshape(6, 5, 3)
    made = []
    for kind in ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF"):
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, kind)
        made.append(buffer.getvalue())
    buffer = io.BytesIO()
    Image.fromarray(pixels[..., 0].astype(np.uint16) * 200).save(buffer, "PNG")
    return (*made, buffer.getvalue())


@cache
def sounds() -> tuple[bytes, ...]:
    wave = np.sin(np.arange(800) / 9).astype(np.float32) * 0.5
    made = []
    for kind in ("WAV", "FLAC", "OGG", "MP3"):
        buffer = io.BytesIO()
        soundfile.write(buffer, wave, 8000, format=kind)
        made.append(buffer.getvalue())
    return tuple(made)


@cache
def tables() -> tuple[bytes, ...]:
    """Return Parquet files of numbers, texts, pictures and sounds."""
    columns = (
        {"a": [1.0, 2.0, 3.0, 4.0], "b": [1, 2, 3, 4]},
        {"text": ["one word", "two", "a b c", "z"], "id": ["p", "q", "r", "s"]},
        {"img": pa.array([{"bytes": pictures()[0], "path": "x.png"}] * 4, FILE)},
        {"audio": pa.array([{"bytes": sounds()[1], "path": "x.flac"}] * 4, FILE)},
    )
    described = {"info": {"features": {"label": {"_type": "ClassLabel", "names": ["no", "yes"]}}}}
    return tuple(
        parquet(pa.table({**each, "label": [0, 1, 0, 1]}), described, compression)
        for each in columns
        for compression in ("none", "snappy")
    )


def parquet(table: pa.Table, described: object, compression: str = "snappy") -> bytes:
    buffer = io.BytesIO()
    told = {b"huggingface": json.dumps(described).encode()}
    pq.write_table(table.replace_schema_metadata(told), buffer, compression=compression)
    return buffer.getvalue()


@cache
def archives() -> tuple[bytes, ...]:
    made = []
    for save in (np.savez, np.savez_compressed):
        buffer = io.BytesIO()
        x, y = np.arange(12.0).reshape(4, 3), np.array([0, 1, 0, 1])
        save(buffer, x=x, y=y, ids=np.array(["a", "b", "c", "d"]), x_test=x, y_test=y)
        made.append(buffer.getvalue())
    return tuple(made)


@cache
def matrices() -> tuple[bytes, ...]:
    buffer = io.BytesIO()
    np.save(buffer, np.eye(2))
    return (buffer.getvalue(),)


STATE = {"weight": torch.arange(6.0).reshape(2, 3), "bias": torch.zeros(2)}


@cache
def safe() -> tuple[bytes, ...]:
    return (safetensors.torch.save(STATE),)


@cache
def states() -> tuple[bytes, ...]:
    made = []
    for is_zip in (True, False):
        buffer = io.BytesIO()
        torch.save(STATE, buffer, _use_new_zipfile_serialization=is_zip)
        made.append(buffer.getvalue())
    return tuple(made)


SHARD = {"rows": torch.arange(3), "wide": torch.arange(6.0).reshape(3, 2)}
TEXTS = (
    b'text,label\none word,no\ntwo,yes\n"a, b",no\nz,yes\n',
    b"a,b,label\n1,2.5,0\n3,4,1\n5,6,0\n",
    b"id\ttext\tlabel\n1\tone word\tno\n2\ttwo\tyes\n",
)


@cache
def truths() -> tuple[bytes, ...]:
    table = pa.table({"id": [0, 1, 2, 3], "true_label": [0, 1, 1, 0], "is_noisy": [False, False, True, True]})
    return (parquet(table, {}),)


@cache
def records() -> tuple[bytes, ...]:
    columns = {"epoch": [0, 0, 1], "id": ["a", "b", "a"], "label": [0, 1, 0], "margin": [0.5, -1.0, 2.0]}
    return (parquet(pa.table(columns), {}),)


CLASSES = {"id2label": {"0": "a", "1": "b"}, "label2id": {"a": 0, "b": 1}}
BERT = {"model_type": "bert", "architectures": ["BertForSequenceClassification"], "hidden_size": 8}
VIT = {"model_type": "vit", "architectures": ["ViTForImageClassification"], "image_size": 8}
CONFIGS = tuple(json.dumps({**each, **CLASSES}).encode() for each in (BERT, VIT))
