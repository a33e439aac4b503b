"""Inputs made worse at random, for methods that learn from them; how much worse is drawn for each sample.

Not what `noise/` plants to measure with: that misspells and mishears words by their sound, and adds noise to
raw sound and pixels. The two share no code, but white noise is white noise in both.
"""

from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from sklearn.feature_extraction.text import TfidfVectorizer
from torch import Tensor
from torch.nn import functional

from unchaff.data.prepare import LogMel
from unchaff.data.sources import prepare_of
from unchaff.data.words import FIRST, Words
from unchaff.samples import UNTAGGED, Samples
from unchaff.streams import Streams
from unchaff.train.augment import UNKNOWN
from unchaff.train.phases import Spoils, Tagged

ALIKE = 4  # words that each is mistaken for
FREQUENT = 200  # words that slip in
LEFT, ADDED = 0.2, 0.2  # share of the errors that leave a word out, or add one
SEEMS, OTHER = 0.5, 0.25  # share of the mistaken words that are alike, or any; the others are unknown
CLIPS = 64  # of white noise to draw from
QUIET, LOUDER = 20.0, 50.0  # dB above the noise at rate 0, and how many less at rate 1
TILT = 3.0  # from the lowest band to the highest at most, in natural logarithms of the power
SMEARED = 8  # frames that a sound goes on
OUTSIDE = 0  # number of the tag of a word that slipped in


def spoiler_of(samples: Samples, most: float, streams: Streams) -> Spoils | None:
    """Return what makes such samples worse, each at a rate drawn from [0, most]; None: nothing is known.

    Words: that share of them left out, mistaken or joined by another. Sound, where the inputs are the log
    mel bands of ours: noise of 20 - 50 times the rate dB, white or tilted, half of the clips smeared in time
    or with a span left out. Pictures, and other sound: Gaussian noise of that share of their range, blur and
    a square at their mean, half of them each.
    """
    kind, prepare = samples.kind, prepare_of(samples.source)
    if kind.name == "text" and isinstance(prepare, Words):
        return Misread(most, look_alikes(prepare.words).to(samples.device))
    if kind.name == "audio" and isinstance(prepare, LogMel):
        noise = torch.randn(CLIPS, round(prepare.rate * prepare.seconds), generator=streams("spoil/clips"))
        return Drowned(most, prepare(noise).to(samples.device), prepare.mean, prepare.std)
    if kind.name in ("image", "audio") and len(kind.shape) == 3:
        some = next(samples.batches(samples.at_once(256))).inputs
        return Blemished(most, (some.amax((0, 2, 3)) - some.amin((0, 2, 3)))[:, None, None])
    return None


def look_alikes(words: tuple[str, ...]) -> Int[Tensor, "vocabulary k"]:
    """Return, by the number of each word, those it shares most groups of two and three letters with."""
    count = len(words) + FIRST
    found = torch.full((count, ALIKE), UNKNOWN)
    if len(words) <= 1:
        return found
    vectors = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 3), dtype=np.float32).fit_transform(words)
    for start in range(0, len(words), 512):
        near = (vectors[start : start + 512] @ vectors.T).toarray()
        near[np.arange(len(near)), np.arange(start, start + len(near))] = -1
        best = torch.from_numpy(near).topk(min(ALIKE, len(words) - 1), dim=1)
        chosen = torch.where(best.values > 0, best.indices + FIRST, UNKNOWN)
        found[FIRST + start : FIRST + start + len(near), : chosen.shape[1]] = chosen
    return found


def _uniform(like: Tensor, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    return torch.rand(shape, generator=generator, device=like.device)


def _half(like: Tensor, generator: torch.Generator) -> Bool[Tensor, "b 1 1 1"]:
    """Return which samples something is done to."""
    return _uniform(like, (len(like), 1, 1, 1), generator) < 0.5


@dataclass(frozen=True)
class Misread:
    """Words left out, mistaken for one that looks alike, for any other or for none that is known, or added.

    What is added is a frequent word, and outside of all tags; a mistaken word keeps its tag.
    """

    most: float  # share of the words
    alike: Int[Tensor, "vocabulary k"]

    def __call__(self, inputs: Tensor, tags: Tensor | None, generator: torch.Generator) -> Tagged:
        """Return worse texts."""
        draw = partial(_uniform, inputs, generator=generator)
        is_word = inputs != 0
        is_hit = (draw((*inputs.shape,)) < self.most * draw((len(inputs), 1))) & is_word
        how = draw((*inputs.shape,))
        is_left, is_joined = is_hit & (how < LEFT), is_hit & (how >= 1 - ADDED)
        words = torch.where(is_hit & ~is_left & ~is_joined, self._mistaken(inputs, generator), inputs)
        new = FIRST + (draw((*inputs.shape,)) * min(FREQUENT, len(self.alike) - FIRST)).long()
        moved = _moved(words, new, is_word & ~is_left, is_joined, fill=0)
        none = moved.eq(0).all(1)
        moved[none, 0] = UNKNOWN  # something is left of every text
        if tags is None:
            return moved, None
        outside = torch.full_like(tags, OUTSIDE)
        return moved, _moved(tags, outside, is_word & ~is_left, is_joined, fill=UNTAGGED)

    def _mistaken(self, words: Tensor, generator: torch.Generator) -> Tensor:
        draw = partial(_uniform, words, (*words.shape,), generator=generator)
        alike = self.alike[words, (draw() * self.alike.shape[1]).long()]
        spoken = words[words != 0]
        other = spoken[(draw() * len(spoken)).long()] if len(spoken) else words
        which = draw()
        return torch.where(which < SEEMS, alike, torch.where(which < SEEMS + OTHER, other, UNKNOWN))


def _moved(
    row: Tensor, new: Tensor, is_kept: Bool[Tensor, "b n"], is_joined: Bool[Tensor, "b n"], *, fill: int
) -> Tensor:
    """Return what is kept, moved together, each with a new one behind it where it is joined."""
    taken = is_kept.long() + is_joined.long()
    place = taken.cumsum(1) - taken
    length = row.shape[1]
    room = torch.full((len(row), 2 * length + 1), fill, dtype=row.dtype, device=row.device)
    spare = torch.full_like(place, 2 * length)
    room.scatter_(1, torch.where(is_kept, place, spare), row)
    room.scatter_(1, torch.where(is_joined, place + 1, spare), new)
    room[:, 2 * length] = fill
    return room[:, :length]


@dataclass(frozen=True)
class Drowned:
    """Log mel bands with noise added to their power; also smeared in time, or with a span left out."""

    most: float
    noise: Float[Tensor, "clips 1 mels frames"]  # white, in the same bands
    mean: float  # taken off the logarithms
    std: float  # they were divided by

    def __call__(self, inputs: Tensor, tags: Tensor | None, generator: torch.Generator) -> Tagged:
        """Return worse sound."""
        draw = partial(_uniform, inputs, generator=generator)
        power = (inputs * self.std + self.mean).exp()
        heard = torch.where(_half(inputs, generator), _smeared(power, draw((len(inputs), 1, 1, 1))), power)
        which = (draw((len(inputs),)) * len(self.noise)).long()
        noise = (self.noise[which] * self.std + self.mean).exp()
        tilt = (2 * draw((len(inputs), 1, 1, 1)) - 1) * TILT * _half(inputs, generator)
        bands = torch.linspace(0.5, -0.5, inputs.shape[-2], device=inputs.device)[:, None]
        noise = noise * (tilt * bands).exp()
        rate = self.most * draw((len(inputs), 1, 1, 1))
        ratio = 10 ** (-(QUIET - LOUDER * rate) / 10)
        level = ratio * power.mean((-2, -1), keepdim=True) / noise.mean((-2, -1), keepdim=True)
        worse = ((heard + level * noise).log() - self.mean) / self.std
        span = _spans(worse, generator) & _half(inputs, generator)
        return torch.where(span, worse.mean((-2, -1), keepdim=True), worse), tags


def _smeared(power: Tensor, decay: Tensor) -> Tensor:
    """Return sound that goes on: each frame as much of the one before it as `decay` says, up to a limit."""
    heard, share = power, decay
    for late in range(1, SMEARED):
        heard = heard + share * functional.pad(power, (late, 0))[..., : power.shape[-1]]
        share = share * decay
    return heard


def _spans(inputs: Tensor, generator: torch.Generator) -> Tensor:
    """Return a span of up to a fifth of the frames of each clip."""
    frames = inputs.shape[-1]
    first, length = (_uniform(inputs, (len(inputs), 1, 1, 1), generator) * frames for _ in range(2))
    place = torch.arange(frames, device=inputs.device)
    return (place >= first) & (place < first + length / 5)


@dataclass(frozen=True)
class Blemished:
    """Pictures with Gaussian noise, blurred, or with a square covered; half of them each."""

    most: float  # deviation of the noise, and area of the square, as a share of the whole
    span: Float[Tensor, "c 1 1"]  # range of the values of each channel

    def __call__(self, inputs: Tensor, tags: Tensor | None, generator: torch.Generator) -> Tagged:
        """Return worse pictures."""
        draw = partial(_uniform, inputs, generator=generator)
        rate = self.most * draw((len(inputs), 1, 1, 1))
        blurred = functional.avg_pool2d(functional.pad(inputs, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
        share = (rate / max(self.most, 1e-9)) * _half(inputs, generator)
        worse = inputs + share * (blurred - inputs)
        noise = torch.randn(inputs.shape, generator=generator, device=inputs.device)
        worse = worse + rate * _half(inputs, generator) * self.span * noise
        covered = _square(inputs, rate, generator) & _half(inputs, generator)
        return torch.where(covered, inputs.mean((2, 3), keepdim=True), worse), tags


def _square(inputs: Tensor, area: Tensor, generator: torch.Generator) -> Tensor:
    inside = torch.ones(1, 1, 1, 1, dtype=torch.bool, device=inputs.device)
    for axis in (-2, -1):
        side = inputs.shape[axis]
        middle = _uniform(inputs, (len(inputs), 1, 1, 1), generator) * side
        place = torch.arange(side, device=inputs.device) + 0.5
        place = place[:, None] if axis == -2 else place
        inside = inside & ((place - middle).abs() <= area.sqrt() * side / 2)
    return inside
