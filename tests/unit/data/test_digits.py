import numpy as np
import torch

from unchaff.data.digits import digits


def test_the_parts_are_stratified_disjoint_and_fixed():
    train, test = digits()
    assert np.intersect1d(train.ids, test.ids).size == 0
    assert np.array_equal(np.union1d(train.ids, test.ids), np.arange(1797))
    share = test.labels.bincount() / (train.labels.bincount() + test.labels.bincount())
    assert (share - 0.25).abs().max() < 0.01
    assert test.ids[:5].tolist() == digits()[1].ids[:5].tolist()


def test_pictures_are_bytes_and_have_one_view():
    train, _ = digits()
    assert train.kind.views == ("plain",)
    raw = train.source.raw(np.arange(3))
    assert raw.dtype == torch.uint8
    assert raw.max() == 255
