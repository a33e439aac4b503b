import numpy as np
import pytest

from unchaff.data.load import load, load_like
from unchaff.data.options import Options
from unchaff.data.words import PAD, UNKNOWN, Words
from unchaff.errors import DataError


def test_the_most_frequent_word_comes_first_and_others_are_unknown():
    words = Words.of(["a b", "b", "b c"], length=4)
    assert words.words == ("b", "a", "c")
    assert words.encode(["c b zebra", ""]).tolist() == [[4, 2, UNKNOWN, PAD], [PAD] * 4]


def test_a_text_is_read_up_to_the_length_most_texts_fit_in():
    words = Words.of(["w " * 10] * 95 + ["w " * 400] * 5)
    assert words.length == 10
    assert Words.of(["w " * 400] * 3).length == 256


@pytest.fixture
def reviews(tmp_path):
    rows = [
        f"{row},the film {row} is {'good' if row % 2 else 'bad'},{'pos' if row % 2 else 'neg'}"
        for row in range(12)
    ]
    file = tmp_path / "reviews.csv"
    file.write_text("\n".join(["id,text,label", *rows, "12,,pos"]))
    return file


def test_a_table_of_texts_is_read_with_its_names_of_classes(reviews):
    loaded = load(str(reviews))
    assert loaded.train.class_names == ("neg", "pos")
    assert loaded.train.labels.tolist() == [0, 1] * 6
    assert loaded.train.texts[1] == "the film 1 is good"
    assert [one.reason for one in loaded.skipped] == ["the text is empty"]
    assert str(loaded.train.kind) == "text of up to 8 words"


def test_test_texts_are_numbered_by_the_words_of_the_training_texts(reviews, tmp_path):
    loaded = load(str(reviews))
    other = tmp_path / "test.csv"
    other.write_text("text,label\nthe bad zebra,neg\n")
    test = load_like(str(other), loaded)
    known = loaded.prepare.places
    assert test.source.raw(np.arange(1))[0, :3].tolist() == [known["the"], known["bad"], UNKNOWN]


def test_texts_without_a_word_are_refused(tmp_path):
    (tmp_path / "t.csv").write_text("text,label\n  ,a\n  ,b\n")
    with pytest.raises(DataError, match="All 2 texts are empty"):
        load(str(tmp_path / "t.csv"))


def test_the_length_can_be_asked_for(reviews):
    assert load(str(reviews), Options(length=3)).train.kind.shape == (3,)
