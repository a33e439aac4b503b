import pytest
import torch

from unchaff.errors import DataError
from unchaff.packing import pack


def test_what_was_packed_is_unpacked_bit_by_bit():
    samples = [
        {"words": torch.tensor([3, -1, 2**40]), "flag": torch.tensor(value > 0), "pixels": torch.rand(2, 3)}
        for value in range(4)
    ]
    rows, layout = pack(samples)
    assert rows.shape == (4, 3 * 8 + 1 + 6 * 4)
    found = layout.unpack(rows[2:4])
    for row, sample in enumerate(samples[2:4]):
        for name, value in sample.items():
            assert torch.equal(found[name][row], value)
    assert layout.mask(rows) is None


def test_sequences_with_a_mask_are_filled_up_and_the_mask_says_where():
    rows, layout = pack(
        [
            {"input_ids": torch.arange(1, 4), "attention_mask": torch.ones(3, dtype=torch.long)},
            {"input_ids": torch.arange(1, 3), "attention_mask": torch.ones(2, dtype=torch.long)},
        ]
    )
    assert layout.unpack(rows)["input_ids"].tolist() == [[1, 2, 3], [1, 2, 0]]
    assert layout.mask(rows).tolist() == [[True, True, True], [True, True, False]]


def test_a_tuple_keeps_its_order():
    rows, layout = pack([(torch.zeros(2), torch.ones(1)), (torch.ones(2), torch.zeros(1))])
    assert not layout.by_name
    assert [value.tolist() for value in layout.unpack(rows).values()] == [[[0, 0], [1, 1]], [[1], [0]]]


@pytest.mark.parametrize(
    ("second", "match"),
    [
        ({"a": torch.zeros(3)}, r"a has 2 shapes"),
        ({"b": torch.zeros(2)}, r"Sample 1 holds b, the first one a"),
        ({"a": torch.zeros(2, dtype=torch.long)}, r"a is of several types"),
    ],
)
def test_samples_that_differ_are_refused(second, match):
    with pytest.raises(DataError, match=match):
        pack([{"a": torch.zeros(2)}, second])
