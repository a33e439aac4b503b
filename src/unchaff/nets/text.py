"""A small convolutional network for texts."""

import torch
from torch import Tensor, nn

VOCABULARY = 20_000  # numbers a word can have
WIDTHS = (3, 4, 5)  # words that a filter sees at once


class TextCnn(nn.Module):
    """Filters over word vectors, each at its strongest place in the text.

    Source: Kim, arXiv 1408.5882, with vectors learned from nothing and one hidden layer more.
    """

    def __init__(
        self, classes: int, *, vocabulary: int = VOCABULARY, width: int = 64, filters: int = 64
    ) -> None:
        super().__init__()
        self.vectors = nn.Embedding(vocabulary, width, padding_idx=0)
        self.filters = nn.ModuleList(nn.Conv1d(width, filters, size, padding=size // 2) for size in WIDTHS)
        self.hidden = nn.Linear(filters * len(WIDTHS), 128)
        self.out = nn.Linear(128, classes)

    def forward(self, words: Tensor) -> Tensor:
        """Return logits (b, classes) of word numbers (b, length)."""
        vectors = self.vectors(words).transpose(1, 2)
        found = [torch.relu(each(vectors)).amax(dim=2) for each in self.filters]
        return self.out(torch.relu(self.hidden(torch.cat(found, dim=1))))


def text_cnn(_shape: tuple[int, ...], classes: int) -> TextCnn:
    """Return a network of about 1.36 M parameters, of which 1.28 M are word vectors."""
    return TextCnn(classes)
