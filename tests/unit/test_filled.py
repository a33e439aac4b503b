"""Rows that are filled from the front."""

import torch

from unchaff.filled import Filled, joined


def test_rows_are_those_that_came():
    filled = Filled(5)
    filled.add(torch.tensor([[1, 2], [3, 4]]))
    assert filled.rows.tolist() == [[1, 2], [3, 4]]
    assert filled.rows.dtype == torch.int64
    filled.add(torch.tensor([[5, 6]]))
    assert filled.rows.tolist() == [[1, 2], [3, 4], [5, 6]]
    assert filled.count == 3


def test_earlier_rows_stay_as_they_were():
    filled = Filled(2)
    filled.add(torch.tensor([1.0]))
    before = filled.rows
    filled.add(torch.tensor([2.0]))
    assert before.tolist() == [1.0]


def test_an_empty_first_part_sets_nothing():
    filled = Filled(2)
    filled.add(torch.empty(0, 7))
    filled.add(torch.ones(2, 3))
    assert filled.rows.shape == (2, 3)


def test_pieces_are_joined_in_order():
    assert joined((torch.full((2,), float(each)) for each in range(3)), 6).tolist() == [0, 0, 1, 1, 2, 2]


def test_nothing_gives_nothing():
    assert joined([], 0).shape == (0,)
