import numpy as np
import pytest
import torch
from torch.utils.data import IterableDataset, TensorDataset

from unchaff.data.dataset import from_arrays, from_dataset, samples_of
from unchaff.data.options import Options
from unchaff.errors import DataError

X = torch.arange(12.0).reshape(6, 2)
Y = torch.tensor([0, 1, 0, 1, 0, 1])


class Endless(IterableDataset):
    """A stream: it has no length."""

    def __iter__(self):
        return iter(())


def test_groups_ids_and_names_are_kept_with_their_rows():
    samples = from_arrays(X, Y, ids=[5, 4, 3, 2, 1, 0], class_names=["n", "y"], groups=list("abcdef"))
    assert samples.ids.tolist() == [0, 1, 2, 3, 4, 5]
    assert samples.groups.tolist() == list("fedcba")
    assert samples.source.raw(np.array([0])).tolist() == [[10.0, 11.0]]


def test_the_array_is_not_changed():
    before = X.clone()
    from_arrays(X, Y)
    assert torch.equal(X, before)


def test_floats_in_images_stay_as_they_are():
    images = torch.rand(6, 1, 4, 4)
    assert torch.equal(next(from_arrays(images, Y).batches(6)).inputs, images)


def test_a_torch_data_set_is_read_once():
    samples = from_dataset(TensorDataset(X, Y), class_names=["n", "y"])
    assert samples.labels.tolist() == Y.tolist()
    assert samples.class_names == ("n", "y")


def test_a_network_is_given_the_numbers_of_its_owner():
    assert torch.equal(next(from_dataset(TensorDataset(X, Y)).batches(6)).inputs, X)
    assert torch.equal(next(from_arrays(X, Y).batches(6)).inputs, X)


def test_other_samples_take_classes_and_scale_from_those_trained_on():
    waves, rate = torch.rand(9, 4000), Options(rate=8000)
    train = from_dataset(TensorDataset(waves, torch.arange(9) % 3), class_names=["a", "b", "c"], options=rate)
    held = from_dataset(TensorDataset(5 * waves[:4], torch.tensor([1, 0, 0, 1])), options=rate, like=train)
    assert held.class_names == ("a", "b", "c")
    assert held.source.held.prepare == train.source.held.prepare


def test_samples_with_fewer_classes_are_numbered_as_those_trained_on():
    train = from_arrays(X, torch.arange(6) % 3, class_names=["a", "b", "c"])
    part = samples_of(from_arrays(X[:4], [0, 1, 0, 1], class_names=["c", "a"]), like=train)
    assert part.class_names == train.class_names
    assert part.labels.tolist() == [2, 0, 2, 0]
    with pytest.raises(DataError, match="The classes differ: d not among"):
        samples_of(from_arrays(X, Y, class_names=["c", "d"]), like=train)


@pytest.mark.parametrize(
    ("x", "options", "match"),
    [
        (X[:, :1], None, r"Inputs have shape \(1,\), the training data \(2,\)"),
        (torch.rand(6, 4, 4), None, "Samples hold image 1x4x4, the training data tabular 2"),
        (
            torch.rand(6, 4000),
            Options(rate=8000),
            "Samples hold audio .* from 8000 Hz",
        ),
    ],
)
def test_samples_unlike_those_trained_on_are_refused(x, options, match):
    with pytest.raises(DataError, match=match):
        samples_of(from_arrays(x, Y, options=options), like=from_arrays(X, Y))


@pytest.mark.parametrize(
    ("dataset", "match"),
    [
        (TensorDataset(X), r"Item 0 of TensorDataset is neither a pair"),
        ([(torch.zeros(2), 0), (torch.zeros(3), 1)], "The inputs have 2 shapes"),
        (Endless(), "has no length"),
    ],
)
def test_what_does_not_fit_is_named(dataset, match):
    with pytest.raises(DataError, match=match):
        from_dataset(dataset)


def test_class_names_that_come_twice_are_refused():
    with pytest.raises(DataError, match="The class name 'a' is given twice"):
        from_arrays(X, Y, class_names=["a", "b", "a"])


def test_unlabelled_rows_are_left_out_and_strict_refuses_them():
    labels = torch.tensor([0, 1, -1, 1, 0, 1])
    with pytest.warns(UserWarning, match=r"no label: 1\), such as 2\."):
        assert 2 not in from_arrays(X, labels).ids
    with pytest.raises(DataError, match="2: no label"):
        from_arrays(X, labels, options=Options(strict=True))


def test_a_part_that_is_no_tensor_is_named():
    with pytest.raises(DataError, match="caption of a sample is of type str, and no number or tensor"):
        from_dataset([({"x": torch.ones(2), "caption": "a"}, row % 2) for row in range(4)])
