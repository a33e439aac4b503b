from dataclasses import dataclass

import numpy as np
import pytest
import torch

from unchaff.errors import DataError
from unchaff.samples import Kind, canonical


@dataclass(frozen=True)
class Rows:
    """The smallest source: one number per sample."""

    values: torch.Tensor
    in_memory: bool = True

    def read(self, batches):
        for rows in batches:
            yield self.raw(rows)

    def raw(self, rows):
        return self.values[torch.from_numpy(rows)]

    def altered(self, change, *, fresh=False):
        return Rows(change(np.arange(len(self.values)), self.values))

    def select(self, rows):
        return Rows(self.values[torch.from_numpy(rows)])

    def to(self, device):
        return Rows(self.values.to(device))


def made(ids, labels, classes=3):
    values = torch.tensor([[float(len(str(i))), float(ord(str(i)[-1]))] for i in ids])
    return canonical(
        ids,
        torch.tensor(labels, dtype=torch.long),
        class_names=tuple("abcdef"[:classes]),
        kind=Kind("tabular", (2,)),
        source=Rows(values),
    )


def test_samples_are_sorted_by_id_with_all_that_belongs_to_them():
    shuffled, straight = made([3, 1, 2], [2, 0, 1]), made([1, 2, 3], [0, 1, 2])
    assert shuffled.ids.tolist() == [1, 2, 3]
    assert torch.equal(shuffled.labels, straight.labels)
    (batch,) = shuffled.batches(10)
    (expected,) = straight.batches(10)
    assert torch.equal(batch.inputs, expected.inputs)


def test_batches_follow_the_given_order_and_end_short():
    batches = list(made([10, 20, 30], [0, 1, 2]).batches(2, order=torch.tensor([2, 0, 1])))
    assert [batch.ids.tolist() for batch in batches] == [[30, 10], [20]]
    assert [batch.labels.tolist() for batch in batches] == [[2, 0], [1]]


def test_a_selection_keeps_canonical_order():
    part = made(["a", "b", "c"], [0, 1, 2]).select(np.array(["c", "a"]))
    assert part.ids.tolist() == ["a", "c"]
    assert part.labels.tolist() == [0, 2]


def test_relabelling_leaves_the_original_alone():
    samples = made([1, 2], [0, 1])
    assert samples.relabel(torch.tensor([1, 1])).labels.tolist() == [1, 1]
    assert samples.labels.tolist() == [0, 1]


def test_an_unknown_id_is_named():
    with pytest.raises(DataError, match="1 ids are not in the data, the first is"):
        made([1, 2], [0, 1]).select(np.array([2, 9]))


def test_a_repeated_id_is_named():
    with pytest.raises(DataError, match=r"x.* occurs 2 times.*--id-column"):
        made(["x", "x"], [0, 1])


@pytest.mark.parametrize("labels", [[0, 3], [-1, 0]], ids=["too high", "negative"])
def test_a_label_outside_the_classes_is_refused(labels):
    with pytest.raises(DataError, match=r"there are 3 classes \(0 to 2\)"):
        made([1, 2], labels)


def test_no_samples_are_refused():
    with pytest.raises(DataError, match="holds no samples"):
        made([], [])
