"""Sentences unlike those of usual documents are deleted, and one always stays."""

import numpy as np
import pytest

from unchaff.documents import DocumentFilter, sentences
from unchaff.errors import ConfigError, DataError
from unchaff.noise.documents import ForeignSentences
from unchaff.streams import Streams


def embed(texts):
    """Numbers of a text around 0; with the word far, far away."""
    rows = []
    for text in texts:
        draw = np.random.default_rng(sum(ord(letter) * place for place, letter in enumerate(text, 1)))
        rows.append(draw.normal(size=6) + 6 * text.count("far"))
    return np.array(rows)


DOCUMENTS = [f"Sentence {n} is one. Another is {n * 7}! And a third, {n}." for n in range(400)]


def test_pieces_joined_are_the_document():
    document = 'He said "No." Then e.g. this.\n\nA new line? 3 things.  End'
    assert "".join(sentences(document)) == document
    assert len(sentences(document)) == 5


@pytest.mark.parametrize("score", ["alone", "leave_out"])
def test_a_foreign_sentence_goes_and_the_others_stay(score):
    found = DocumentFilter(embed=embed, score=score).fit(DOCUMENTS)
    cleaned = found.clean("Sentence 5 is one. This is far away. Another is 35!")
    assert cleaned.removed == ("This is far away.",)
    assert cleaned.text == "Sentence 5 is one. Another is 35!"
    assert cleaned.is_removed == (False, True, False)


def test_clean_sentences_go_as_rarely_as_the_quantile_says():
    found = DocumentFilter(embed=embed, quantile=0.95).fit(DOCUMENTS)
    new = [f"Other words {n} here. More of it {n}." for n in range(1000, 1600)]
    gone = [each for document in new for each in found.clean(document).is_removed]
    assert abs(sum(gone) / len(gone) - 0.05) < 0.02


def test_something_always_stays():
    found = DocumentFilter(embed=embed).fit(DOCUMENTS, background=[f"A far thing {n}." for n in range(60)])
    cleaned = found.clean("All is far. Far off, far far away it is far.")
    assert len(cleaned.removed) == 1
    assert cleaned.text
    assert found.clean("").text == ""


def test_what_cannot_work_is_said():
    with pytest.raises(DataError, match="too few"):
        DocumentFilter(embed=embed).fit(DOCUMENTS[:5])
    with pytest.raises(DataError, match="shape"):
        DocumentFilter(embed=lambda texts: np.zeros(len(texts))).fit(DOCUMENTS)
    with pytest.raises(ConfigError, match="quantile"):
        DocumentFilter(embed=embed, quantile=1.5)


def test_planting_depends_on_the_id_alone():
    parts, pool = [["One.", "Two.", "Three."], ["Four."]], [["Foreign.", "Far."]]
    plant = ForeignSentences(0.5)
    both = plant(parts, np.array(["a", "b"]), pool, streams=Streams(0))
    turned = plant(parts[::-1], np.array(["b", "a"]), pool, streams=Streams(0))
    assert both == turned[::-1]
    own = [text for text, mark in zip(both[0].sentences, both[0].is_foreign, strict=True) if not mark]
    assert own == parts[0]


def test_half_of_the_documents_get_a_passage_in_one_piece_the_others_links_or_code():
    ids = np.arange(400)
    pool = [[f"{letter}{place}." for place in range(6)] for letter in "ab"]
    planted = ForeignSentences(0.4)([["One.", "Two.", "Three."]] * 400, ids, pool, streams=Streams(0))
    kinds, places = {"passage": 0, "link": 0, "code": 0}, set()
    for each in planted:
        texts = [text for text, mark in zip(each.sentences, each.is_foreign, strict=True) if mark]
        assert len(texts) == 2
        kind = "link" if texts[0].startswith("https") else "passage" if texts[0][2:] == "." else "code"
        kinds[kind] += 1
        if kind == "passage":
            first = each.is_foreign.index(True)
            assert each.is_foreign[first + 1], "in one piece"
            assert texts[0][0] == texts[1][0]
            assert int(texts[1][1]) == int(texts[0][1]) + 1
            places.add(first)
    assert places == {0, 1, 2, 3}
    assert kinds["passage"] == pytest.approx(200, abs=30)
    assert kinds["link"] == pytest.approx(100, abs=25)
