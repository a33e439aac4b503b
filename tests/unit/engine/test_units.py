"""Rows are cut into units that cover all of them once, whoever works on them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unchaff.engine.units import MOST, ROWS, cut


@given(st.lists(st.integers(0, 3 * ROWS), max_size=4))
def test_units_cover_every_row_of_every_file_once_and_in_order(counts):
    units = cut([(str(place), count) for place, count in enumerate(counts)])
    assert [unit.number for unit in units] == list(range(len(units)))
    assert [(unit.file, unit.first + row) for unit in units for row in range(unit.rows)] == [
        (str(place), row) for place, count in enumerate(counts) for row in range(count)
    ]
    assert [unit.start for unit in units] == [sum(each.rows for each in units[:k]) for k in range(len(units))]


@pytest.mark.parametrize("files", [1, 7])
def test_a_thousand_million_rows_are_few_units_of_nearly_one_size(files):
    units = cut([(str(place), 10**9 // files) for place in range(files)])
    sizes = [unit.rows for unit in units]
    assert MOST <= len(units) <= MOST + files
    assert max(sizes) - min(sizes) <= 1
    assert max(unit.rows for unit in cut([("", 10**6)])) <= ROWS
