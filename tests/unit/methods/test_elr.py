"""Early-learning regularisation: its degenerate case, an interruption, and a planted case."""

import pytest

from unchaff import journal
from unchaff.errors import ConfigError
from unchaff.methods import elr
from unchaff.methods.elr import Elr
from unchaff.streams import Streams
from unchaff.train.targets import EarlyLearning


def test_without_strength_it_is_plain_training(toy, plain, assert_same_weights):
    outcome = Elr(strength=0)(toy.trained, toy.observed, streams=Streams(3))
    assert_same_weights(outcome.model, plain().model)
    assert outcome.cost.flops == plain().cost.flops


def test_it_remembers_what_was_said_before_an_interruption(toy, tmp_path, monkeypatch, assert_same_weights):
    monkeypatch.setattr(journal, "EVERY", 0)
    method = Elr(budget=0.5)
    whole = method(toy.trained, toy.observed, streams=Streams(3))

    class Stopped(EarlyLearning):
        def look(self, model):
            if self.epoch == 4:
                raise KeyboardInterrupt

        @staticmethod
        def over(*given, **options):
            made = EarlyLearning.over(*given, **options)
            return Stopped(made.memory, decay=made.decay, strength=made.strength)

    with monkeypatch.context() as patch, journal.kept_by(journal.Journal(tmp_path)):
        patch.setattr(elr, "EarlyLearning", Stopped)
        with pytest.raises(KeyboardInterrupt):
            method(toy.trained, toy.observed, streams=Streams(3))
    with journal.kept_by(journal.Journal(tmp_path)):
        again = method(toy.trained, toy.observed, streams=Streams(3))
    assert_same_weights(again.model, whole.model)


def test_it_does_not_learn_wrong_labels_by_heart(toy, plain, accuracy):
    outcome = Elr(budget=4.0)(toy.trained, toy.observed, streams=Streams(3))
    assert accuracy(outcome) > accuracy(plain(4.0)) + 0.06


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ({"decay": 1.0}, r"decay must be in \[0, 1\), got 1.0"),
        ({"strength": -1}, "strength must be 0 or more"),
    ],
)
def test_settings_out_of_range_are_named(setting, sentence):
    with pytest.raises(ConfigError, match=sentence):
        Elr(**setting)
