"""Tags of words, from a table to the places of the words and back."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from unchaff import noise
from unchaff.data.load import load, load_like
from unchaff.data.tagged import spelled
from unchaff.data.write import inject
from unchaff.engine.learning import joined
from unchaff.errors import DataError, ModelError
from unchaff.nets.build import build, default_net
from unchaff.samples import UNTAGGED
from unchaff.streams import Streams

ROWS = {
    "id": ["a", "b", "c", "d"],
    "text": ["fly to new york", "don't fly", "play blue", "play york"],
    "slots": [["O", "O", "B-city", "I-city"], ["O", "O"], ["O", "B-song"], ["O", "B-song"]],
    "label": [0, 0, 1, 1],
}


def table(path, **changed):
    pq.write_table(pa.table({**ROWS, **changed}), path)
    return str(path)


def test_tags_are_found_by_the_name_of_their_column_and_said(tmp_path):
    loaded = load(table(tmp_path / "t.parquet"))
    assert "tags: slots" in loaded.found
    tags = loaded.train.tags
    assert tags.names == ("O", "B-city", "B-song", "I-city")
    assert tags.numbers[:, :4].tolist() == [[0, 0, 1, 3], [0, -1, -1, 0], [0, 2, -1, -1], [0, 2, -1, -1]]
    assert default_net(loaded.train) == "text-tagger"


def test_a_batch_and_a_selection_carry_the_tags_of_their_texts(tmp_path):
    train = load(table(tmp_path / "t.parquet")).train
    chosen = train.select(train.ids[[0, 2]])
    assert next(chosen.batches(2)).tags.tolist() == train.tags.numbers[[0, 2]].tolist()


def test_parts_that_were_read_apart_are_joined_with_the_tags_of_their_texts(tmp_path):
    train = load(table(tmp_path / "t.parquet")).train
    again = joined([train.at(np.array([2, 3])), train.at(np.array([0, 1]))])
    np.testing.assert_array_equal(again.ids, train.ids)
    assert again.tags.names == train.tags.names
    assert torch.equal(again.tags.numbers, train.tags.numbers)
    with pytest.raises(DataError, match="one layout"):
        joined([train.at(np.array([0])), replace(train.at(np.array([1])), tags=None)])


def test_every_word_is_read_where_words_carry_tags(tmp_path):
    long = ["fly " * 40, "fly", *ROWS["text"][2:]]
    tagged = [["O"] * 40, ["O"], *ROWS["slots"][2:]]
    assert load(table(tmp_path / "t.parquet", text=long, slots=tagged)).train.kind.shape == (40,)


def test_tags_that_training_does_not_know_come_behind_those_it_does(tmp_path):
    loaded = load(table(tmp_path / "t.parquet"))
    new = [["O", "O", "B-day", "O"], *ROWS["slots"][1:]]
    tags = load_like(table(tmp_path / "u.parquet", slots=new), loaded).tags
    assert tags.names == (*loaded.train.tags.names, "B-day")


def test_another_number_of_tags_than_of_words_is_refused(tmp_path):
    with pytest.raises(DataError, match="'b' has 2 words between blanks and 1 tags"):
        load(table(tmp_path / "t.parquet", slots=[ROWS["slots"][0], ["O"], *ROWS["slots"][2:]]))


def test_lists_of_another_name_are_no_tags(tmp_path):
    rows = {name: column for name, column in ROWS.items() if name != "slots"}
    pq.write_table(pa.table({**rows, "tokens": ROWS["slots"]}), tmp_path / "t.parquet")
    assert load(str(tmp_path / "t.parquet")).train.tags is None


def test_what_is_injected_has_a_tag_for_each_word_again(tmp_path):
    file = table(tmp_path / "t.parquet")
    written = inject(file, noise.parse("recogniser:0.9"), tmp_path / "noisy.parquet", streams=Streams(1))
    again = load(str(tmp_path / "noisy.parquet")).train
    assert again.texts.tolist() == written.noisy.texts.tolist() != ROWS["text"]
    assert spelled(again.texts, again.tags) == spelled(written.noisy.texts, written.noisy.tags)


def test_a_further_piece_of_a_word_goes_on_with_its_tag(tmp_path):
    train = load(
        table(tmp_path / "t.parquet", slots=[ROWS["slots"][0], ["B-city", "O"], *ROWS["slots"][2:]])
    ).train
    texts = train.texts.copy()
    texts[1] = "don ' t fly"
    assert train.tags.numbers[1].tolist()[1:3] == [UNTAGGED] * 2
    assert spelled(texts, train.tags)[1] == ["B-city", "I-city", "I-city", "O"]


def test_more_tags_than_the_built_in_network_can_say_are_refused(tmp_path):
    many = [[f"B-{row}{place}" for place in range(40)] for row in range(4)]
    train = load(table(tmp_path / "t.parquet", text=["w " * 40] * 4, slots=many)).train
    with pytest.raises(ModelError, match="tells 128 tags apart, and the data have 161"):
        build("text-tagger", train, streams=Streams(0))
