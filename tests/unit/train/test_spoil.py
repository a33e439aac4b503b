"""Inputs made worse at random."""

import numpy as np
import pytest
import torch

from unchaff.data.dataset import from_arrays
from unchaff.data.prepare import LogMel
from unchaff.streams import Streams
from unchaff.train.augment import UNKNOWN
from unchaff.train.spoil import ALIKE, Blemished, Drowned, Misread, _moved, look_alikes, spoiler_of

WORDS = tuple(f"{stem}{end}" for stem in ("play", "book", "rain", "song") for end in ("", "s", "ed", "ing"))


def generator():
    return torch.Generator().manual_seed(0)


def test_words_look_alike_that_share_letters():
    table = look_alikes(WORDS)
    assert table.shape == (2 + len(WORDS), ALIKE)
    assert {WORDS[number - 2] for number in table[2 + WORDS.index("plays")].tolist()} >= {"play", "played"}
    assert 2 + WORDS.index("plays") not in table[2 + WORDS.index("plays")]


def test_what_is_left_moves_together_and_what_is_new_stands_behind():
    row = torch.tensor([[5, 6, 7, 0]])
    kept = torch.tensor([[True, False, True, False]])
    joined = torch.tensor([[True, False, False, False]])
    new = torch.tensor([[9, 9, 9, 9]])
    assert _moved(row, new, kept, joined, fill=0).tolist() == [[5, 9, 7, 0]]
    full = torch.ones(1, 4, dtype=torch.bool)
    assert _moved(row, new, full, full, fill=0).tolist() == [[5, 9, 6, 9]], "what has no room is cut"


def test_tags_stay_with_their_words():
    words = torch.randint(2, 2 + len(WORDS), (500, 9), generator=generator())
    words[:, 6:] = 0
    tags = torch.where(words == 0, -1, words)  # each word is tagged with itself
    worse, carried = Misread(0.5, look_alikes(WORDS))(words, tags, generator())
    assert torch.equal(carried == -1, worse == 0)
    inside = carried > 0
    assert (worse[inside] == carried[inside]).float().mean() > 0.75
    assert (carried == 0).any(), "words that slipped in are outside"


@pytest.mark.parametrize("most", [0.0, 0.4])
def test_a_rate_between_nothing_and_most_is_drawn_for_each_text(most):
    words = torch.randint(2, 2 + len(WORDS), (2000, 20), generator=generator())
    worse, _ = Misread(most, look_alikes(WORDS))(words, None, generator())
    lost = 1 - (worse[:, :1] == words[:, :1]).float().mean()
    assert float(lost) == pytest.approx(0.8 * most / 2, abs=0.03)  # an added word comes behind


def test_something_is_left_of_every_text():
    words = torch.full((400, 3), 2)
    words[:, 1:] = 0
    worse, _ = Misread(1.0, look_alikes(WORDS))(words, torch.zeros_like(words), generator())
    assert (worse != 0).any(1).all()
    assert (worse[:, 0] == UNKNOWN).any()


def test_noise_on_bands_is_as_loud_as_on_the_sound_itself():
    bands = LogMel.at(8000, 0.5)
    sound = torch.sin(torch.arange(4000) * 0.3)[None].repeat(64, 1)
    noise = torch.randn(64, 4000, generator=generator())
    change = Drowned(0.0, bands(noise), 0.0, 1.0)  # 20 dB at rate 0
    loud = torch.cat([change(bands(sound), None, generator())[0]])
    expected = bands(sound + 0.1 * noise * sound.square().mean().sqrt())
    quiet = (
        bands(sound).exp().mean((1, 3))[0] < bands(noise).exp().mean() / 1000
    )  # where noise alone is heard
    added = loud.exp().mean((0, 1, 3))[quiet].log().mean()
    assert float(added) == pytest.approx(float(expected.exp().mean((0, 1, 3))[quiet].log().mean()), abs=1.0)


def test_pictures_get_worse_in_parts_of_their_range():
    pictures = torch.rand(300, 2, 12, 12, generator=generator())
    change = Blemished(0.3, torch.tensor([1.0, 4.0])[:, None, None])
    worse, _ = change(pictures, None, generator())
    apart = (worse - pictures).square().mean((0, 2, 3)).sqrt()
    assert 2 < apart[1] / apart[0] < 4.5
    same, _ = Blemished(0.0, torch.ones(2, 1, 1))(pictures, None, generator())
    torch.testing.assert_close(same, pictures, atol=0.05, rtol=0)


def test_nothing_is_known_of_tables(toy):
    assert spoiler_of(from_arrays(torch.rand(20, 3).numpy(), np.arange(20) % 2), 0.3, Streams(0)) is None
    assert isinstance(spoiler_of(toy.observed.train, 0.3, Streams(0)), Blemished)
