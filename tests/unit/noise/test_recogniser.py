"""Texts as a recogniser would have written them."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from unchaff.data.dataset import from_arrays
from unchaff.data.sources import in_memory
from unchaff.data.words import Words, split
from unchaff.errors import NoiseError
from unchaff.noise import parse
from unchaff.noise.recogniser import Recogniser, sound
from unchaff.samples import Kind, Tags, canonical
from unchaff.streams import Streams

SENTENCES = ("play two songs by the band", "book a table for to at the bar", "is the weather good in rome")
COUNT = 300


def samples(order=None):
    order = np.arange(COUNT) if order is None else order
    texts = np.array([SENTENCES[row % 3] for row in order], dtype=object)
    words = Words.of(SENTENCES, length=12)
    made = canonical(
        order + 100,
        torch.from_numpy(order % 3),
        class_names=("a", "b", "c"),
        kind=Kind("text", (12,), pad=0),
        source=in_memory(torch.from_numpy(words.encode(list(texts))), words),
    )
    ordered = np.array([SENTENCES[row % 3] for row in range(COUNT)], dtype=object)
    numbers = torch.full((COUNT, 12), -1)
    for row, text in enumerate(ordered):
        numbers[row, : len(text.split())] = torch.arange(len(text.split()))
    return replace(made, texts=ordered, tags=Tags(("O", *"bcdefghi"), numbers))


def test_words_that_sound_alike_share_a_sound():
    assert sound("two") == sound("to") != sound("by")
    assert sound("book") == sound("back") != sound("song")


def test_rate_zero_changes_nothing():
    noisy, truth = Recogniser(0.0)(samples(), streams=Streams(0))
    assert noisy.texts.tolist() == samples().texts.tolist()
    assert torch.equal(noisy.tags.numbers, samples().tags.numbers)
    assert not truth.is_noisy.any()


def test_labels_stay_and_the_truth_names_the_texts_that_changed():
    clean = samples()
    noisy, truth = Recogniser(0.3)(clean, streams=Streams(0))
    assert torch.equal(noisy.labels, clean.labels)
    differ = [one != two for one, two in zip(clean.texts, noisy.texts, strict=True)]
    assert truth.is_noisy.tolist() == differ
    assert torch.equal(
        next(noisy.batches(COUNT)).inputs,
        torch.from_numpy(Words.of(SENTENCES, length=12).encode(list(noisy.texts))).long(),
    )


def test_about_that_share_of_the_words_is_wrong():
    clean = samples()
    noisy, _ = Recogniser(0.3)(clean, streams=Streams(0))
    kept = sum(
        len(set(split(one)) & set(split(two))) for one, two in zip(clean.texts, noisy.texts, strict=True)
    )
    words = sum(len(split(one)) for one in clean.texts)
    assert kept / words == pytest.approx(1 - 0.3 * 0.8, abs=0.03)  # where a word is added, the first is right


def test_tags_go_where_their_words_go():
    """A word that is right must carry the number of its place."""
    noisy, _ = Recogniser(0.5)(samples(), streams=Streams(0))
    for row, text in enumerate(noisy.texts):
        spoken, tags = SENTENCES[row % 3].split(), noisy.tags.numbers[row].tolist()
        for word, tag in zip(text.split(), tags, strict=False):
            if word in spoken and tag > 0 and len(word) > 3:
                assert spoken[tag] == word or sound(spoken[tag]) == sound(word)


def test_each_text_depends_on_its_id_alone():
    order = np.random.default_rng(0).permutation(COUNT)
    one, _ = Recogniser(0.4)(samples(), streams=Streams(0))
    two, _ = Recogniser(0.4)(samples(order), streams=Streams(0))
    part, _ = Recogniser(0.4)(samples().at(np.arange(10)), streams=Streams(0))
    assert one.texts.tolist() == two.texts.tolist()
    assert one.texts.tolist()[:10] == part.texts.tolist()
    other, _ = Recogniser(0.4)(samples(), streams=Streams(1))
    assert one.texts.tolist() != other.texts.tolist()


def test_it_is_named_in_a_spec_and_refuses_what_has_no_words():
    assert parse("recogniser:0.3") == Recogniser(0.3)
    pictures = from_arrays(torch.zeros(4, 1, 8, 8).byte(), np.array([0, 1, 0, 1]))
    with pytest.raises(NoiseError, match="for texts that are read by words, the data are image 1x8x8"):
        Recogniser(0.3)(pictures, streams=Streams(0))
