import numpy as np

from unchaff.cli import app


def test_everything_is_looked_at(table, capsys):
    assert app.main(["doctor", table(), "--device", "cpu"]) == 0
    said = capsys.readouterr().out
    for heading in ("Environment", "Data", "Network", "Estimate"):
        assert f"\n{heading}\n" in f"\n{said}"
    for fact in ("torch", "90 samples", "per class 30", "mlp", "samples a second", "MiB"):
        assert fact in said


def test_contradicting_and_rare_samples_are_listed(table, capsys):
    labels = np.r_[np.arange(84) % 2, [2] * 3]
    inputs = np.random.default_rng(0).normal(size=(87, 6))
    inputs[7] = inputs[4]
    assert app.main(["doctor", table(inputs, labels), "--device", "cpu"]) == 0
    said = capsys.readouterr().out
    assert "1 set of identical samples with different labels:\n    4 is 0, 7 is 1" in said
    assert "strongly imbalanced (" in said
    assert "nothing of them is left out: 2" in said


def test_numbers_without_samples_are_named(table, capsys):
    inputs = np.random.default_rng(0).random((40, 4), dtype=np.float32)
    assert app.main(["doctor", table(inputs, np.arange(40) % 2 * 2 + 1), "--device", "cpu"]) == 0
    said = capsys.readouterr().out
    assert "per class 20 (1) to 20 (3) samples" in said
    assert "classes without a sample, for which a network keeps a place: 0, 2" in said
