"""Small decoders that restore an input from the feature of a worse one; they serve training only."""

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor, nn
from torch.nn import functional

FIRST = 2  # number of the first word; 0 is nothing, 1 is unknown
WORDS = 1000  # most frequent ones that are restored
PLACES = 4  # of each text that are restored in a step, drawn anew each time
CHANNELS = 16


class WordDecoder(nn.Module):
    """Says which word stood at a place of the text."""

    def __init__(self, width: int, length: int, hidden: int = 64) -> None:
        super().__init__()
        self.places = nn.Embedding(length, hidden)
        self.read = nn.Linear(width, hidden)
        self.out = nn.Linear(hidden, WORDS)

    def forward(self, feature: Float[Tensor, "b d"], words: Int[Tensor, "b length"]) -> Float[Tensor, " b"]:
        """Return the mean cross-entropy, in nats, of a few known words of each text."""
        known = (words >= FIRST) & (words < FIRST + WORDS)
        drawn = torch.rand(words.shape, device=words.device).masked_fill(~known, -1.0)
        places = drawn.topk(min(PLACES, words.shape[1]), dim=1).indices
        asked = torch.where(known, words - FIRST, -1).gather(1, places)
        hidden = torch.relu(self.read(feature)[:, None] + self.places(places))
        loss = functional.cross_entropy(
            self.out(hidden).float().transpose(1, 2), asked, ignore_index=-1, reduction="none"
        )
        return loss.sum(1) / (asked >= 0).sum(1).clamp(min=1)


class PictureDecoder(nn.Module):
    """A coarse picture that two up-convolutions make larger."""

    def __init__(self, width: int, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.coarse = (CHANNELS, -(-shape[1] // 4), -(-shape[2] // 4))
        self.read = nn.Linear(width, self.coarse[0] * self.coarse[1] * self.coarse[2])
        self.up = nn.Sequential(
            nn.ReLU(),
            nn.ConvTranspose2d(CHANNELS, CHANNELS, 4, stride=2, padding=1),
            nn.ReLU(),
            nn.ConvTranspose2d(CHANNELS, shape[0], 4, stride=2, padding=1),
        )

    def forward(
        self, feature: Float[Tensor, "b d"], inputs: Shaped[Tensor, "b c h w"]
    ) -> Float[Tensor, " b"]:
        """Return the mean absolute difference from each picture."""
        made = self.up(self.read(feature).unflatten(1, self.coarse))
        height, width = inputs.shape[-2:]
        return (made[..., :height, :width].float() - inputs).abs().mean((1, 2, 3))


def decoder_for(shape: tuple[int, ...], width: int) -> nn.Module:
    """Return a decoder of prepared inputs of this shape: word numbers (length,) or pictures (c, h, w)."""
    return WordDecoder(width, shape[0]) if len(shape) == 1 else PictureDecoder(width, shape)
