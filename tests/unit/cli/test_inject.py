import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from unchaff.cli import app


def read(path):
    return {name: np.asarray(column) for name, column in pq.read_table(path).to_pydict().items()}


def test_noise_and_truth_are_written_apart(table, tmp_path, capsys):
    out = tmp_path / "noisy.parquet"
    assert app.main(["inject", table(), "--noise", "symmetric:0.4", "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert "40.0 % of 90 samples are noisy" in said
    truth, noisy = read(tmp_path / "truth.parquet"), read(out)
    assert set(truth) == {"id", "true_label", "is_noisy"}
    assert "true_label" not in noisy
    assert truth["is_noisy"].sum() == 36
    np.testing.assert_array_equal(truth["id"], noisy["id"])
    np.testing.assert_array_equal(truth["is_noisy"], truth["true_label"] != noisy["label"])


def test_a_repair_of_what_was_written_is_measured_by_the_truth(table, tmp_path, capsys):
    out = tmp_path / "noisy.parquet"
    assert app.main(["inject", table(), "--noise", "symmetric:0.4", "--out", str(out)]) == 0
    words = [
        "score",
        str(out),
        "--model",
        "mlp",
        "--epochs",
        "2",
        "--device",
        "cpu",
        "--out",
        str(tmp_path / "run"),
    ]
    assert app.main(words) == 0
    assert "AUROC" not in capsys.readouterr().out
    assert app.main([*words, "--overwrite", "--truth", str(tmp_path / "truth.parquet")]) == 0
    assert "AUROC" in capsys.readouterr().out


def test_the_same_seed_plants_the_same_noise(table, tmp_path):
    data, labels = table(), []
    for folder, seed in (("a", 1), ("b", 1), ("c", 2)):
        (tmp_path / folder).mkdir()
        words = ["inject", data, "--noise", "symmetric:0.4", "--seed", str(seed)]
        assert app.main([*words, "--out", str(tmp_path / folder / "noisy.parquet")]) == 0
        labels.append(read(tmp_path / folder / "noisy.parquet")["label"].tolist())
    assert labels[0] == labels[1] != labels[2]


@pytest.mark.parametrize(
    ("noise", "out", "message"),
    [
        ("symmetric:2", "noisy.parquet", "[0, 1]"),
        ("none", "noisy.parquet", "nothing to plant"),
        ("symmetric:0.4", "noisy.csv", ".parquet"),
        ("symmetric:0.4", "truth.parquet", "truth.parquet"),
        ("symmetric:0.4", "data.npz/noisy.parquet", "Nothing can be written into"),
        ("symmetric:0.4", "data.npz", ".parquet"),
    ],
)
def test_what_cannot_be_planted_is_refused_and_nothing_written(table, tmp_path, capsys, noise, out, message):
    data = table()
    before = {file: file.read_bytes() for file in tmp_path.iterdir()}
    assert app.main(["inject", data, "--noise", noise, "--out", str(tmp_path / out)]) == 1
    assert message in capsys.readouterr().err
    assert {file: file.read_bytes() for file in tmp_path.iterdir()} == before


def test_the_folder_is_made_and_the_data_themselves_are_never_replaced(table, tmp_path, capsys):
    out = tmp_path / "new" / "noisy.parquet"
    assert app.main(["inject", table(), "--noise", "symmetric:0.4", "--out", str(out)]) == 0
    assert (out.parent / "truth.parquet").is_file()
    out.rename(out.parent / "train.parquet")
    before = (out.parent / "train.parquet").read_bytes()
    words = ["--noise", "symmetric:0.2", "--out", str(out.parent / "train.parquet"), "--overwrite"]
    for data in (out.parent, out.parent / "train.parquet"):
        assert app.main(["inject", str(data), *words]) == 1
        assert "is of the data that noise is to be planted in" in capsys.readouterr().err
    assert (out.parent / "train.parquet").read_bytes() == before
    (out.parent / "test.parquet").write_bytes(before)
    for data, name in ((out.parent, "test.parquet"), (out.parent / "truth.parquet", "noisy.parquet")):
        words = ["--noise", "symmetric:0.2", "--out", str(out.parent / name), "--overwrite"]
        assert app.main(["inject", str(data), *words]) == 1
        assert "is of the data that noise" in capsys.readouterr().err
    assert (out.parent / "test.parquet").read_bytes() == before


def test_files_that_exist_are_refused(table, tmp_path, capsys):
    words = ["inject", table(), "--noise", "symmetric:0.4", "--out", str(tmp_path / "noisy.parquet")]
    assert app.main(words) == 0
    before = (tmp_path / "noisy.parquet").read_bytes()
    assert app.main([*words, "--seed", "5"]) == 1
    assert "--overwrite" in capsys.readouterr().err
    assert (tmp_path / "noisy.parquet").read_bytes() == before
    assert app.main([*words, "--overwrite"]) == 0


def test_a_truth_about_other_data_is_refused(table, tmp_path, capsys):
    out = tmp_path / "noisy.parquet"
    assert app.main(["inject", table(), "--noise", "symmetric:0.3", "--out", str(out)]) == 0
    truth, words = str(tmp_path / "truth.parquet"), ["--controls", "none", "--out", str(tmp_path / "run")]
    told = pq.read_table(truth)
    turned = told.set_column(1, "true_label", pa.array((told["true_label"].to_numpy() + 1) % 2))
    pq.write_table(turned, tmp_path / "other.parquet")
    for given, said in (
        (["--truth", str(tmp_path / "other.parquet")], "is about other data"),
        (["--truth", truth, "--noise", "symmetric:0.1"], "Leave out --noise or --truth"),
    ):
        assert app.main(["repair", str(out), *words, *given]) == 1
        assert said in capsys.readouterr().err
