import numpy as np
import torch
from sklearn.metrics import roc_auc_score

from unchaff.attribute.readout import Readout
from unchaff.partition.extend import extended
from unchaff.partition.mixture import Mixture, everything
from unchaff.records import Observed
from unchaff.streams import Streams


def parts(toy):
    samples = toy.observed.train
    held = np.arange(600) % 6 == 0
    return samples.at(np.flatnonzero(~held)), samples.at(np.flatnonzero(held)), held


def test_held_out_samples_get_a_quality_of_the_same_kind(toy):
    train, holdout, held = parts(toy)
    split = Mixture()(Readout()(toy.trained, Observed(train=train), streams=Streams(0)))
    whole, cost = extended(split, toy.trained, train, holdout)
    np.testing.assert_array_equal(whole.ids, toy.observed.train.ids)
    assert torch.equal(whole.quality[~held], split.quality)
    assert torch.equal(whole.kept[~held], split.kept)
    assert whole.quality[held].min() >= 0
    assert whole.quality[held].max() <= 1
    assert roc_auc_score(~toy.truth.is_noisy[held], whole.quality[held]) > 0.85
    assert {len(column) for column in whole.evidence.values()} == {600}
    assert cost.samples_seen == 600


def test_where_the_split_abstained_the_held_out_are_kept_too(toy):
    train, holdout, _ = parts(toy)
    evidence = Readout()(toy.trained, Observed(train=train), streams=Streams(0))
    whole, _ = extended(everything(evidence, "No evidence."), toy.trained, train, holdout)
    assert whole.kept.all()
