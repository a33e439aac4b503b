"""What inject writes reads back as what was planted, with the same ids."""

import json
import os
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from unchaff.data.load import load
from unchaff.data.options import Options
from unchaff.data.write import inject, read_truth
from unchaff.errors import DataError
from unchaff.noise import parse
from unchaff.streams import Streams


def plant(spec, noise, folder, **options):
    out = folder / "out" / "noisy.parquet"
    out.parent.mkdir(exist_ok=True)
    return inject(str(spec), parse(noise), out, streams=Streams(0), options=Options(**options))


def reads_back(written, **options):
    """Check that the written file gives the noisy samples, id by id."""
    back = load(str(written.data_file), Options(**options)).train
    assert back.ids.tolist() == written.noisy.ids.tolist()
    assert back.labels.tolist() == written.noisy.labels.tolist()
    assert back.class_names == written.noisy.class_names
    rows = np.arange(len(back))
    torch.testing.assert_close(back.source.raw(rows), written.noisy.source.raw(rows), rtol=0, atol=1e-6)
    return back


def test_label_noise_keeps_all_else_of_a_parquet_file(tmp_path, make):
    files = [make.picture(row) for row in range(10)]
    path = make.table(
        tmp_path / "in.parquet",
        {"img": files, "label": [0, 1] * 5, "note": list("abcdefghij")},
        medium="Image",
    )
    written = plant(path, "symmetric:0.4", tmp_path)
    reads_back(written)
    before, after = pq.read_table(path), pq.read_table(written.data_file)
    assert after.column_names == before.column_names
    assert after["img"] == before["img"]
    assert after["note"] == before["note"]
    assert sum(a != b for a, b in zip(after["label"], before["label"], strict=True)) == 4
    features = json.loads(after.schema.metadata[b"huggingface"])["info"]["features"]
    assert features["img"] == {"_type": "Image"}
    assert features["label"] == {"_type": "ClassLabel", "names": ["a", "b"]}


@pytest.mark.parametrize(("noise", "moved"), [("symmetric:0.4", "label"), ("gaussian:0.5", "b")])
def test_noise_keeps_all_columns_of_a_text_table(tmp_path, noise, moved):
    lines = [f"{row},{row / 7},{'cat' if row % 3 else 'dog'},note {row}" for row in range(10)]
    (tmp_path / "t.csv").write_text("\n".join(["a,b,label,remark", *lines]) + "\n")
    written = plant(tmp_path / "t.csv", noise, tmp_path)
    reads_back(written)
    table = pq.read_table(written.data_file)
    assert table.column_names == ["a", "b", "label", "remark"]
    assert table["remark"].to_pylist() == [f"note {row}" for row in range(10)]
    kept = [row / 7 for row in range(10)] if moved == "b" else [int(row % 3 == 0) for row in range(10)]
    assert table[moved].to_pylist() != kept


@pytest.mark.parametrize("ids", ["2020-01-{row}", "{row}.5", "n{row}", "same", "", "{row}"])
def test_a_text_table_reads_back_whatever_its_ids_are(tmp_path, ids):
    numbers = ["nan" if row == 13 else row / 7 for row in range(20)]
    lines = [f"{row},{numbers[row]},{row % 2},{ids.format(row=row)}" for row in range(10, 20)]
    (tmp_path / "t.csv").write_text("\n".join(["a,b,label,id", *lines]) + "\n")
    reads_back(plant(tmp_path / "t.csv", "symmetric:0.4", tmp_path))


def test_a_text_table_that_was_read_by_options_reads_back_without(tmp_path):
    lines = [f"{row},{row / 7},{row % 2},k{row},{row}" for row in range(10)]
    (tmp_path / "t.csv").write_text("\n".join(["a,b,kind,key,rest", *lines]) + "\n")
    reads_back(plant(tmp_path / "t.csv", "symmetric:0.4", tmp_path, label_column="kind", id_column="key"))


def test_a_folder_may_be_called_as_a_table(tmp_path, image_folder):
    reads_back(plant(Path(image_folder).rename(tmp_path / "t.csv"), "symmetric:0.4", tmp_path))


@pytest.mark.parametrize("noise", ["symmetric:0.5", "gaussian:0.5"])
@pytest.mark.parametrize("source", ["image_table", "audio_table", "image_folder"])
def test_every_source_reads_back(tmp_path, request, source, noise):
    reads_back(plant(request.getfixturevalue(source), noise, tmp_path))


@pytest.mark.parametrize("noise", ["pair:0.5", "gaussian:0.5"])
def test_numbers_and_their_ids_read_back_in_the_order_of_the_file(tmp_path, make, noise):
    columns = {"u": [1.5, 2.0, 3.0, 4.0], "v": [4, 1, 2, 3], "label": [0, 1, 0, 1], "id": list("dbca")}
    written = plant(make.table(tmp_path / "in.parquet", columns), noise, tmp_path)
    reads_back(written)
    assert pq.read_table(written.data_file)["id"].to_pylist() == list("dbca")


def test_ids_survive_rows_that_were_left_out(tmp_path, make):
    files = [make.picture(0), b"broken", make.picture(1), make.picture(2)]
    path = make.table(tmp_path / "in.parquet", {"img": files, "label": [0, 1, 1, 0]}, medium="Image")
    assert reads_back(plant(path, "pair:0.5", tmp_path)).ids.tolist() == [0, 2, 3]


def test_an_id_column_by_another_name_stays_and_serves_again(tmp_path, make):
    columns = {"u": [1.0, 2.0, 3.0, 4.0], "label": [0, 1, 0, 1], "key": [9, 7, 8, 6]}
    written = plant(make.table(tmp_path / "in.parquet", columns), "pair:0.5", tmp_path, id_column="key")
    assert reads_back(written, id_column="key").ids.tolist() == [6, 7, 8, 9]


def test_left_out_rows_beside_a_repeated_id_are_refused(tmp_path, make):
    columns = {"u": [1.0, 2.0, 3.0, float("nan")], "label": [1, 1, 0, 1], "id": [1, 1, 2, 2]}
    path = make.table(tmp_path / "in.parquet", columns | {"u": [float("nan"), 2.0, 3.0, 4.0]})
    with pytest.raises(DataError, match="a column id with other values"):
        plant(path, "pair:0.5", tmp_path)


def test_clipped_noise_in_sound_is_not_scaled_down(tmp_path, audio_table):
    written = plant(audio_table, "gaussian:1.0:-20", tmp_path)
    assert written.noisy.source.raw(np.arange(8)).abs().max() > 1
    reads_back(written)


def test_the_truth_reads_back(tmp_path, image_table):
    written = plant(image_table, "symmetric:0.4", tmp_path)
    back = read_truth(written.truth_file)
    assert back.ids.tolist() == written.truth.ids.tolist()
    assert torch.equal(back.true_label, written.truth.true_label)
    assert torch.equal(back.is_noisy, written.truth.is_noisy)
    assert int(back.is_noisy.sum()) == 4


def test_a_table_without_the_truth_is_named(image_table):
    with pytest.raises(DataError, match="is no truth file"):
        read_truth(Path(image_table))


def test_nothing_is_overwritten_unasked(tmp_path, image_table):
    plant(image_table, "symmetric:0.4", tmp_path)
    with pytest.raises(DataError, match=r"exists\. Choose another --out, or give --overwrite"):
        plant(image_table, "symmetric:0.4", tmp_path)


@pytest.mark.parametrize("fails_at", [1, 2])
def test_both_files_are_written_or_none(tmp_path, image_table, monkeypatch, fails_at):
    write, written = pq.write_table, []

    def fail(table, file):
        written.append(file)
        if len(written) == fails_at:
            file.write_bytes(b"half")
            raise OSError("disk full")
        write(table, file)

    monkeypatch.setattr(pq, "write_table", fail)
    with pytest.raises(DataError, match=r"disk full.*Nothing was left"):
        plant(image_table, "symmetric:0.4", tmp_path)
    assert os.listdir(tmp_path / "out") == []  # noqa: PTH208 - hidden files too
