"""A small network for texts that names the class of a text, and a tag for each of its words."""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from unchaff.nets.text import VOCABULARY

TAGS = 128  # that a word can have; what the data do not use stays unused


class Answer(NamedTuple):
    """What a network says of texts."""

    logits: Float[Tensor, "b classes"]
    tags: Float[Tensor, "b length tags"]


class TextTagger(nn.Module):
    """Two convolutions over word vectors; each word is tagged, and the strongest places name the class.

    Source: Collobert et al., arXiv 1103.0398, section 3.3 (windows over words for tags, the strongest place
    for the text), with one network for both and a hidden layer before the classes, as in `TextCnn`.
    """

    def __init__(
        self, classes: int, *, vocabulary: int = VOCABULARY, width: int = 32, filters: int = 64
    ) -> None:
        super().__init__()
        self.vectors = nn.Embedding(vocabulary, width, padding_idx=0)
        self.near = nn.Conv1d(width, filters, 3, padding=1)
        self.far = nn.Conv1d(filters, filters, 3, padding=2, dilation=2)
        self.tags = nn.Linear(filters, TAGS)
        self.hidden = nn.Linear(filters, 128)
        self.out = nn.Linear(128, classes)

    def forward(self, words: Int[Tensor, "b length"]) -> Answer:
        """Return what it says of word numbers; nothing is read of places that hold none."""
        is_word = (words != 0)[:, None]
        near = torch.relu(self.near(self.vectors(words).transpose(1, 2))) * is_word
        found = (near + torch.relu(self.far(near))) * is_word  # none is below 0
        hidden = torch.relu(self.hidden(found.amax(dim=2)))
        return Answer(logits=self.out(hidden), tags=self.tags(found.transpose(1, 2)))


def text_tagger(_shape: tuple[int, ...], classes: int) -> TextTagger:
    """Return a network of about 0.69 M parameters, of which 0.64 M are word vectors."""
    return TextTagger(classes)
