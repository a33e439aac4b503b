import numpy as np
import pytest

from unchaff.errors import NoiseError
from unchaff.noise import parse, realised
from unchaff.noise.human import Human
from unchaff.noise.inputs import GaussianInputs, GaussianPublished
from unchaff.noise.instance import InstanceDependent
from unchaff.noise.labels import Pair, Symmetric, Transition
from unchaff.streams import Streams


def test_a_spec_names_a_kind_and_its_numbers():
    assert parse("none") is None
    assert parse("symmetric:0.4") == Symmetric(0.4)
    assert parse("pair:1") == Pair(1)
    assert parse("instance:0.4:0.2") == InstanceDependent(0.4, 0.2)
    assert parse("gaussian:0.5:-5") == GaussianInputs(0.5, -5)
    assert parse("gaussian-published:0.5") == GaussianPublished(0.5, 4.5)
    assert parse("human:some/dir:with.parquet:worse").column == "worse"
    assert isinstance(parse("human:a.parquet:b"), Human)


@pytest.mark.parametrize("name", ["matrix.csv", "matrix.npy"])
def test_a_transition_matrix_comes_from_a_file(tmp_path, name):
    matrix = np.array([[0.9, 0.1], [0.2, 0.8]])
    (np.save if name.endswith("npy") else lambda file, m: np.savetxt(file, m, delimiter=","))(
        tmp_path / name, matrix
    )
    noise = parse(f"transition:{tmp_path / name}")
    assert isinstance(noise, Transition)
    np.testing.assert_allclose(noise.matrix, matrix)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("symetric:0.4", r"no noise 'symetric'. Allowed: symmetric:RATE.*human:FILE:COLUMN, none"),
        ("", "no noise ''"),
        ("symmetric", r"is not KIND:RATE. For 20 % noise write symmetric:0.2"),
        ("symmetric:forty", "is not KIND:RATE"),
        ("symmetric:40", r"rate must be in \[0, 1\], got 40"),
        ("pair:-0.1", "got -0.1"),
        ("symmetric:nan", "got nan"),
        ("symmetric:0.4:0.1", "has 2 numbers, symmetric takes 1"),
        ("gaussian:0.4:1:2", "has 3 numbers, gaussian takes 2"),
        ("gaussian:0.4:nan", "level must be a finite number, got nan"),
        ("gaussian-published:0.4:-1", "sigma must be 0 or more, got -1"),
        ("instance:0.4:0", "spread must be above 0, got 0"),
        ("human:worse_label", "given as human:FILE:COLUMN"),
        ("transition:nowhere.csv", "nowhere.csv is not a matrix"),
    ],
)
def test_a_spec_that_is_none_is_refused(spec, message):
    with pytest.raises(NoiseError, match=message):
        parse(spec)


def test_objects_in_a_matrix_file_are_refused(tmp_path):
    np.save(tmp_path / "m.npy", np.array([{}], dtype=object))
    with pytest.raises(NoiseError, match="is not a matrix"):
        parse(f"transition:{tmp_path / 'm.npy'}")


def test_what_was_planted_is_counted_exactly(pictures):
    noisy, truth = Pair(0.3)(pictures(), streams=Streams(0))
    counted = realised(truth, noisy)
    assert counted.rate == 0.3
    assert counted.per_class == (0.3,) * 10
    assert counted.transitions.sum() == 200
    assert counted.transitions[9, 0] == 6
    assert counted.transitions[4, 4] == 14
