"""Labels refined by what classifiers of several stages agree on, after learning without labels."""

import pytest
import torch

from unchaff.errors import ConfigError
from unchaff.evaluate.accuracy import score
from unchaff.methods import METHODS, ssl_plr
from unchaff.methods.encoder import Pretraining
from unchaff.methods.ssl_plr import SslPlr, Stage, Store, easiest
from unchaff.streams import Streams

QUICK = SslPlr(pretraining=Pretraining(epochs=0.1), iterations=1, stage_epochs=0.1, final_epochs=0.1)


def store(labels, classes=3):
    given = torch.tensor(labels)
    flat = torch.full((len(given), classes), 1 / classes)
    return Store(given, given, torch.zeros(len(given), dtype=torch.bool), flat)


def spoken(rows):
    """Return what three stages say (3, n, classes), one list of named classes per sample, each surely."""
    named = torch.tensor(rows).T
    return torch.nn.functional.one_hot(named, 3).float() * 0.94 + 0.02


def test_a_label_changes_where_all_stages_agree_and_are_sure():
    labels = [0] * 20 + [1] * 20 + [2] * 20
    said = [[label] * 3 for label in labels]
    said[0], said[20] = [1, 1, 1], [2, 2, 0]  # of one mind; of two minds
    unsure = spoken(said)
    unsure[:, 40] = torch.tensor([0.6, 0.2, 0.2])  # of one mind, and not sure
    made = store(labels).refined(unsure, SslPlr(sure=0.63))  # two stages of three would be sure enough
    assert (made.labels != torch.tensor(labels)).nonzero().flatten().tolist() == [0]
    assert made.labels[0] == 1
    torch.testing.assert_close(made.confidence, unsure.mean(0))


def test_what_stays_in_dispute_at_a_high_loss_is_dropped():
    labels = [0] * 20
    said = [[0, 0, 0] for _ in labels]
    said[3] = [0, 1, 2]  # the last stage does not name the label, nor do all agree
    said[4] = [1, 0, 0]  # they do not agree, but in the end the loss is low
    made = store(labels).refined(spoken(said), SslPlr())
    assert made.dropped.nonzero().flatten().tolist() == [3]
    assert made.used.nonzero().flatten().tolist() == [row for row in range(20) if row != 3]


def test_no_class_is_relabelled_away():
    labels = [0] * 50 + [1] * 50 + [2] * 5
    made = store(labels).refined(spoken([[1, 1, 1]] * 105), SslPlr())
    assert torch.bincount(made.labels).tolist() == [5, 95, 5]


def test_the_lowest_losses_of_every_label_are_chosen():
    losses, labels = torch.tensor([0.1, 0.4, 0.2, 0.3, 9.0, 8.0]), torch.tensor([0, 0, 0, 0, 1, 1])
    assert easiest(losses, labels, 0.5).tolist() == [True, False, True, False, False, True]
    assert easiest(losses, labels, 0.01).sum() == 2


def test_labels_get_better_and_the_final_classifier_beats_plain_training(rows):
    """Three labels in ten wrong, depending on the sample."""
    case, streams = rows("instance:0.3", count=800), Streams(0)
    plain = METHODS["retrain"](case.trained, case.observed, streams=streams)
    ours = METHODS["ssl-plr"](case.trained, case.observed, streams=streams)
    assert score(ours.model, case.test).accuracy > score(plain.model, case.test).accuracy + 0.04
    suggested = ours.partition.suggested
    assert (suggested != case.truth.true_label).sum() <= 0.6 * case.truth.is_noisy.sum()
    changed = suggested != case.observed.train.labels
    assert (suggested == case.truth.true_label)[changed].float().mean() >= 0.9
    assert not (ours.partition.kept & changed).any()
    quality = ours.partition.quality
    assert quality[~case.truth.is_noisy].mean() > quality[case.truth.is_noisy].mean() + 0.5


def test_right_labels_stay(rows):
    case = rows("none", count=600)
    ours = METHODS["ssl-plr"](case.trained, case.observed, streams=Streams(0))
    assert (ours.partition.suggested != case.observed.train.labels).float().mean() <= 0.01


def test_every_pass_and_stage_is_paid_for(toy):
    cost = QUICK(toy.trained, toy.observed, streams=Streams(0)).cost
    assert set(cost.stages) == {"pretrain", "read", "probe", "stage", "look", "final"}
    assert cost.stages["look"].samples_seen == 3 * 600
    assert cost.stages["read"].samples_seen == 600


def test_it_goes_on_where_it_was_interrupted(interrupted):
    interrupted(QUICK, ssl_plr, at=3)


def test_a_classifier_can_weigh_samples_by_confidence(toy):
    plain = QUICK(toy.trained, toy.observed, streams=Streams(0))
    weighted = SslPlr(**{**vars(QUICK), "weighted": True})(toy.trained, toy.observed, streams=Streams(0))
    assert torch.equal(plain.partition.quality, weighted.partition.quality)
    assert not torch.equal(plain.model[5].weight, weighted.model[5].weight)


@pytest.mark.parametrize(
    "wrong",
    [
        {"iterations": 0}, {"stages": ()}, {"stages": (Stage(quantile=0, change="none"),)}, {"sure": 0},
        {"stage_epochs": 0}, {"final_epochs": 0},
    ],
    ids=str,
)  # fmt: skip
def test_senseless_settings_are_refused(wrong):
    with pytest.raises(ConfigError):
        SslPlr(**wrong)
