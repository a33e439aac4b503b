import sys

import numpy as np
import pytest
import torch

from unchaff.errors import ConfigError, NeedsError
from unchaff.evaluate.accuracy import score
from unchaff.evaluate.detection import detect
from unchaff.methods import METHODS, out_of_fold
from unchaff.methods.confident_learning import CleanAndRetrain
from unchaff.methods.out_of_fold import ConfidentLearning, held_out
from unchaff.methods.retrain import Retrain
from unchaff.streams import Streams


def test_no_network_judges_what_it_learned_from(toy, monkeypatch):
    learned, judged = [], []
    fit, logits_of = out_of_fold.fit, out_of_fold.logits_of

    def learning(model, samples, phase, **options):
        learned.append(set(samples.ids.tolist()))
        return fit(model, samples, phase, **options)

    def judging(model, samples, **options):
        judged.append(set(samples.ids.tolist()))
        return logits_of(model, samples, **options)

    monkeypatch.setattr(out_of_fold, "fit", learning)
    monkeypatch.setattr(out_of_fold, "logits_of", judging)
    found = held_out(toy.trained, toy.observed.train, folds=4, streams=Streams(0), length=0.1)
    everyone = set(toy.observed.train.ids.tolist())
    assert [left | right for left, right in zip(learned, judged, strict=True)] == [everyone] * 4
    assert not any(left & right for left, right in zip(learned, judged, strict=True))
    assert set.union(*judged) == everyone
    torch.testing.assert_close(found.probabilities.sum(1), torch.ones(600))


def test_without_the_library_it_says_what_to_install_before_anything_is_trained(toy, monkeypatch):
    monkeypatch.setitem(sys.modules, "cleanlab", None)
    monkeypatch.setitem(sys.modules, "cleanlab.filter", None)
    monkeypatch.setattr(out_of_fold, "fit", None)
    with pytest.raises(NeedsError, match=r"cleanlab is not installed .* pip install 'unchaff\[baselines\]'"):
        METHODS["confident-learning"](toy.trained, toy.observed, streams=Streams(0))


def test_where_nothing_is_an_issue_the_last_training_is_a_plain_one(toy):
    pytest.importorskip("cleanlab.filter")

    class Content(ConfidentLearning):
        def __call__(self, trained, observed, *, streams, length):
            size = len(observed.train)
            return out_of_fold.Evidence(
                ids=observed.train.ids,
                labels=observed.train.labels,
                total=torch.ones(size),
                columns={"fit": torch.ones(size)},
            )

    method = CleanAndRetrain(budget=1.0, detector=Content())
    outcome = method(toy.trained, toy.observed, streams=Streams(0))
    plain = Retrain()(toy.trained, toy.observed, streams=Streams(0))
    assert outcome.partition.kept.all()
    for (name, tensor), other in zip(
        outcome.model.state_dict().items(), plain.model.state_dict().values(), strict=True
    ):
        assert torch.equal(tensor, other), name


def test_on_labels_that_are_often_wrong_it_beats_plain_training(learned):
    pytest.importorskip("cleanlab.filter")
    outcome = METHODS["confident-learning"](learned.trained, learned.observed, streams=Streams(0))
    plain = METHODS["retrain"](learned.trained, learned.observed, streams=Streams(0))
    ahead = score(outcome.model, learned.test).accuracy - score(plain.model, learned.test).accuracy
    assert ahead > 0.04
    assert detect(outcome.partition, learned.truth).auroc > 0.8
    assert np.array_equal(outcome.partition.ids, learned.observed.train.ids)


def test_one_fold_is_refused():
    with pytest.raises(ConfigError, match="folds must be at least 2"):
        ConfidentLearning(folds=1)
