"""Tags of words, counted in whole spans."""

from typing import NamedTuple

import pytest
import torch
from torch import Tensor, nn

from unchaff.data.sources import in_memory
from unchaff.data.words import Words
from unchaff.errors import ModelError
from unchaff.evaluate.tagging import score_tags, spans
from unchaff.nets.adapt import adapted
from unchaff.samples import UNTAGGED, Kind, Tags, canonical

NAMES = ("O", "B-city", "I-city", "B-day")


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        (["B-city", "I-city", "O", "B-day"], {(0, 2, "city"), (3, 4, "day")}),
        (["B-city", "B-city"], {(0, 1, "city"), (1, 2, "city")}),
        (["O", "I-city", "I-city"], {(1, 3, "city")}),  # begins without B-
        (["B-city", "I-day"], {(0, 1, "city"), (1, 2, "day")}),
        (["O", "O"], set()),
    ],
)
def test_spans_are_those_of_the_conll_evaluation(tags, expected):
    assert spans(tags) == expected


class Said(NamedTuple):
    logits: Tensor
    tags: Tensor


class Fixed(nn.Module):
    """Says of each word the tag that its number, less two, stands for."""

    def __init__(self, *, has_tags: bool = True) -> None:
        super().__init__()
        self.layer, self.has_tags = nn.Linear(1, 2), has_tags

    def forward(self, words: Tensor) -> Said | Tensor:
        logits = self.layer(words[:, :1].float())
        return (
            Said(logits, nn.functional.one_hot((words - 2).clamp(min=0), 5).float())
            if self.has_tags
            else logits
        )


def samples(said, given):
    words = Words(("a", "b", "c", "d"), len(said[0]))
    made = canonical(
        range(len(said)),
        torch.tensor([0, 1]),
        class_names=("x", "y"),
        kind=Kind("text", (words.length,), pad=0),
        source=in_memory(torch.tensor(said) + 2, words),
    )
    return type(made)(**{**vars(made), "tags": Tags(NAMES, torch.tensor(given))})


def test_a_span_counts_where_both_ends_and_its_name_are_right():
    some = samples([[1, 2, 0, 3], [1, 0, 0, 4]], [[1, 2, 0, 3], [1, 2, 0, UNTAGGED]])
    found = score_tags(adapted(Fixed(), some), some)
    # There: two spans, and one of two words. Said: both right ones, and one that ends too early.
    assert (found.precision, found.recall, found.support) == pytest.approx((2 / 3, 2 / 3, 3))
    assert found.f1 == pytest.approx(2 / 3)


def test_a_name_that_training_did_not_know_is_missed():
    some = samples([[1, 2, 0, 0], [0, 0, 0, 0]], [[1, 2, 0, 3], [0, 0, 0, 0]])
    assert score_tags(adapted(Fixed(), some), some).recall == pytest.approx(1 / 2)


def test_a_network_without_tags_is_refused_by_name():
    some = samples([[1, 2], [0, 0]], [[1, 2], [0, 0]])
    with pytest.raises(ModelError, match=r"returns an object with \.logits and \.tags"):
        score_tags(adapted(Fixed(has_tags=False), some), some)
