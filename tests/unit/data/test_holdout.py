import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from unchaff.data.dataset import from_arrays
from unchaff.data.holdout import hold_out
from unchaff.errors import ConfigError
from unchaff.streams import Streams


def samples(count=200, groups=None, order=None):
    order = np.arange(count) if order is None else order
    labels = (order % 7).clip(max=2)
    return from_arrays(order[:, None].astype(np.float32), labels, ids=order, groups=groups)


@settings(deadline=None, max_examples=25)
@given(share=st.floats(0.05, 0.6), seed=st.integers(0, 99))
def test_each_label_gives_its_exact_share(share, seed):
    whole = samples()
    kept, held = hold_out(whole, share, streams=Streams(seed))
    assert np.array_equal(np.union1d(kept.ids, held.ids), whole.ids)
    assert len(kept) + len(held) == len(whole)
    expected = [round(share * int(count)) for count in whole.labels.bincount()]
    assert held.labels.bincount(minlength=3).tolist() == expected


def test_the_order_of_the_data_does_not_matter():
    other = samples(order=np.random.default_rng(0).permutation(200))
    one, two = (hold_out(which, 0.1, streams=Streams(0))[1] for which in (samples(), other))
    assert one.ids.tolist() == two.ids.tolist()


def test_groups_are_never_on_both_sides():
    kept, held = hold_out(samples(groups=np.arange(200) // 5), 0.2, streams=Streams(0))
    assert np.intersect1d(kept.groups, held.groups).size == 0
    assert abs(len(held) - 40) <= 5


def test_a_class_of_one_stays():
    whole = from_arrays(torch.zeros(9, 1), torch.tensor([0] * 8 + [1]))
    assert hold_out(whole, 0.5, streams=Streams(0))[0].labels.tolist().count(1) == 1


@pytest.mark.parametrize(("classes", "each"), [(1000, 3), (10, 2)])
def test_small_classes_give_their_share_together(classes, each):
    labels = torch.arange(classes).repeat(each)
    whole = from_arrays(torch.zeros(len(labels), 1), labels)
    kept, held = hold_out(whole, 0.1, streams=Streams(0))
    assert len(held) == len(labels) // 10 == len(held.labels.unique())
    assert len(kept.labels.unique()) == classes
    assert np.array_equal(np.union1d(kept.ids, held.ids), whole.ids)


def test_of_small_classes_the_larger_give_one():
    whole = from_arrays(torch.zeros(14, 1), torch.tensor([0, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 5, 6]))
    assert hold_out(whole, 0.12, streams=Streams(0))[1].labels.sort().values.tolist() == [2, 3]


def test_no_last_sample_of_a_class_is_held_out():
    with pytest.raises(ConfigError, match="as one of each label stays"):
        hold_out(from_arrays(torch.zeros(9, 1), torch.arange(9)), 0.1, streams=Streams(0))


@pytest.mark.parametrize("share", [0, 1, -0.1, 20])
def test_a_share_outside_the_unit_interval_is_refused(share):
    with pytest.raises(ConfigError, match=r"For a tenth pass 0\.1"):
        hold_out(samples(), share, streams=Streams(0))


def test_an_empty_part_is_refused():
    with pytest.raises(ConfigError, match="leaves one part empty"):
        hold_out(samples(groups=np.zeros(200, dtype=int)), 0.1, streams=Streams(0))
