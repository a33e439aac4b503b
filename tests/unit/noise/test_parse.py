import numpy as np
import pytest

from unchaff.errors import NoiseError
from unchaff.noise import NOISES, parse, realised
from unchaff.noise.inputs import GaussianInputs, GaussianPublished
from unchaff.noise.labels import Symmetric
from unchaff.streams import Streams


def test_specs_become_objects():
    assert parse("none") is None
    assert parse("symmetric:0.4") == Symmetric(0.4)
    assert parse("gaussian:0.5") == GaussianInputs(0.5)
    assert parse("gaussian:0.5:-3") == GaussianInputs(0.5, -3.0)
    assert parse("gaussian-published:0.5:8") == GaussianPublished(0.5, 8.0)


@pytest.mark.parametrize("kind", NOISES)
@pytest.mark.parametrize("rate", [20, -0.1, "nan"])
def test_a_rate_outside_the_unit_interval_is_refused(kind, rate):
    with pytest.raises(NoiseError, match=r"got (20|-0.1|nan).*For 20 % noise pass 0.2"):
        parse(f"{kind}:{rate}")


@pytest.mark.parametrize(
    ("spec", "match"),
    [
        ("waffle:0.1", r"no noise 'waffle'. Allowed: symmetric:RATE, .*human:FILE:COLUMN, none"),
        ("symmetric", "write symmetric:0.2"),
        ("symmetric:lots", "write symmetric:0.2"),
        ("symmetric:0.1:0.2", "has 2 numbers, symmetric takes 1"),
        ("human:labels.parquet", "human:FILE:COLUMN"),
        ("transition:none.csv", "is not a matrix"),
    ],
)
def test_other_specs_are_told_what_is_allowed(spec, match):
    with pytest.raises(NoiseError, match=match):
        parse(spec)


@pytest.mark.parametrize("suffix", ["csv", "npy"])
def test_a_matrix_comes_from_a_file(tmp_path, pictures, suffix):
    matrix = np.roll(np.eye(10), 1, axis=1)
    file = tmp_path / f"m.{suffix}"
    np.save(file, matrix) if suffix == "npy" else np.savetxt(file, matrix, delimiter=",")
    noisy, truth = parse(f"transition:{file}")(pictures, streams=Streams(0))
    assert truth.is_noisy.all()
    assert noisy.labels.tolist() == [(label + 1) % 10 for label in pictures.labels.tolist()]


def test_realised_counts_what_was_planted(pictures):
    noisy, truth = parse("pair:0.4")(pictures, streams=Streams(0))
    planted = realised(truth, noisy)
    sizes = pictures.labels.bincount().tolist()
    assert planted.per_class == tuple(round(0.4 * size) / size for size in sizes)
    assert planted.rate == sum(round(0.4 * size) for size in sizes) / 397
    assert planted.transitions.sum() == 397
