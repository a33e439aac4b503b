import pytest

from unchaff.cli.options import image_size, numbers
from unchaff.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "size"), [(None, None), ("32", (32, 32)), ("32x48", (32, 48)), ("32X48", (32, 48))]
)
def test_image_size(text, size):
    assert image_size(text) == size


@pytest.mark.parametrize("text", ["", "0", "big", "32x", "1x2x3", "-4"])
def test_a_wrong_image_size_is_refused(text):
    with pytest.raises(ConfigError, match="Try 32 or 32x48"):
        image_size(text)


def test_numbers():
    assert numbers("--mean", None) is None
    assert numbers("--mean", "0.5, 1") == (0.5, 1.0)


@pytest.mark.parametrize("text", ["", "a", "1,,2", "nan", "1,inf"])
def test_wrong_numbers_are_refused(text):
    with pytest.raises(ConfigError, match="--mean must be numbers"):
        numbers("--mean", text)
