import numpy as np
import pytest
import torch

from unchaff.errors import ConfigError
from unchaff.streams import Streams


def test_same_seed_and_purpose_give_the_same_numbers():
    first, second = (torch.rand(8, generator=Streams(3)("noise")) for _ in range(2))
    assert torch.equal(first, second)


def test_purpose_and_seed_each_change_the_numbers():
    draws = [torch.rand(8, generator=g) for g in (Streams(0)("a"), Streams(0)("b"), Streams(1)("a"))]
    assert not any(torch.equal(draws[i], draws[j]) for i, j in ((0, 1), (0, 2), (1, 2)))


def test_a_number_belongs_to_its_id_whatever_the_order():
    ids = np.arange(200)
    shuffled = np.random.default_rng(0).permutation(ids)
    straight = Streams(0).per_id("flip", ids)
    np.testing.assert_array_equal(Streams(0).per_id("flip", shuffled), straight[shuffled])


def test_numbers_per_id_are_uniform_enough():
    draw = Streams(0).per_id("flip", np.arange(4000))
    assert draw.min() >= 0
    assert draw.max() < 1
    counts, _ = np.histogram(draw, bins=10, range=(0, 1))
    assert abs(counts - 400).max() < 100  # five standard deviations


def test_text_ids_have_numbers_too():
    seeds = Streams(0).seeds("x", np.array(["a", "b"]))
    assert seeds.dtype == np.uint64
    assert seeds[0] != seeds[1]


def test_a_fork_is_independent_of_its_parent():
    streams = Streams(0)
    assert streams.fork("a").seed != streams.fork("b").seed
    assert not torch.equal(
        torch.rand(8, generator=streams("x")), torch.rand(8, generator=streams.fork("a")("x"))
    )


def test_the_global_generator_is_put_back():
    before = torch.random.get_rng_state()
    with Streams(0).forked_global("dropout"):
        first = torch.rand(4)
    with Streams(0).forked_global("dropout"):
        second = torch.rand(4)
    assert torch.equal(first, second)
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize("seed", ["a", 3.0, True, None])
def test_a_seed_that_is_no_whole_number_is_refused(seed):
    streams = object.__new__(Streams)  # past the types, which are checked in tests alone
    vars(streams)["seed"] = seed
    with pytest.raises(ConfigError, match="seed must be a whole number, got"):
        streams.__post_init__()
    vars(streams)["seed"] = np.int64(3)
    streams.__post_init__()
    assert torch.equal(torch.rand(4, generator=streams("x")), torch.rand(4, generator=Streams(3)("x")))
