import pytest
import torch

from unchaff.errors import ConfigError
from unchaff.evaluate.accuracy import logits
from unchaff.methods.neggrad import NegGradPlus, Signed
from unchaff.methods.scrub import Scrub
from unchaff.samples import Batch
from unchaff.streams import Streams
from unchaff.train.loop import fit
from unchaff.train.optimizers import Sgd
from unchaff.train.phases import Phase


def kept_of(toy):
    return toy.observed.train.select(toy.truth.ids[~toy.truth.is_noisy.numpy()])


def rejected_of(toy):
    return toy.observed.train.select(toy.truth.ids[toy.truth.is_noisy.numpy()])


def assert_close(left, right):
    for (name, tensor), other in zip(left.state_dict().items(), right.state_dict().values(), strict=True):
        torch.testing.assert_close(tensor, other, msg=name)


def test_without_max_epochs_and_teacher_it_is_finetuning_on_the_kept(learned, told):
    plain = told(Scrub(max_epochs=0, alpha=0.0, epochs=2, lr=0.01), learned.truth)
    outcome = plain(learned.trained, learned.observed, streams=Streams(4))
    kept = kept_of(learned)
    phase = Phase(
        steps=2 * (len(kept) // 32), lr=lambda _: 0.01, batch_size=32, optimizer=Sgd(), augment=False
    )
    streams = Streams(4).fork("turn 0").fork("min")
    assert_close(outcome.model, fit(learned.trained.model, kept, phase, streams=streams).model)


def test_max_epochs_lead_away_from_the_teacher_on_the_rejected_and_min_epochs_back(
    learned, told, monkeypatch
):
    """The first has hardly a slope, for there the student is the teacher; the second has."""
    apart, rejected = [], rejected_of(learned)

    def divergence(model):
        said, taught = (logits(each, rejected).log_softmax(1) for each in (model, learned.trained.model))
        return float((taught.exp() * (taught - said)).sum(1).mean())

    def note(model, samples, phase, *, streams, name):
        fitted = fit(model, samples, phase, streams=streams, name=name)
        apart.append((name, divergence(model), divergence(fitted.model)))
        return fitted

    monkeypatch.setattr("unchaff.methods.scrub.fit", note)
    told(Scrub(lr=5e-3, epochs=3), learned.truth)(learned.trained, learned.observed, streams=Streams(0))
    assert [name for name, *_ in apart] == ["max", "min", "max", "min"]
    _, before, after = apart[2]
    assert after > 2 * before
    _, before, after = apart[3]
    assert after < before


def test_the_rate_falls_after_the_seventh_epoch(learned, told, monkeypatch):
    seen = []

    def note(model, samples, phase, *, streams, name):
        per_epoch = len(samples) // phase.batch_size
        seen.append((name, [phase.lr(step) for step in range(0, phase.steps, per_epoch)]))
        return fit(model, samples, Phase(steps=1, lr=phase.lr), streams=streams, name=name)

    monkeypatch.setattr("unchaff.methods.scrub.fit", note)
    told(Scrub(), learned.truth)(learned.trained, learned.observed, streams=Streams(0))
    full, tenth = 5e-4, 5e-4 * 0.1
    assert seen == [
        ("max", [full]),
        ("min", [full]),
        ("max", [full]),
        ("min", [full] * 6 + [tenth] * 3),
    ]


def test_no_weight_on_the_rejected_is_finetuning_on_the_kept(learned, told):
    plain = told(NegGradPlus(forget=0.0, epochs=2), learned.truth)
    outcome = plain(learned.trained, learned.observed, streams=Streams(4))
    kept = kept_of(learned)
    sgd = Sgd(momentum=0.0, weight_decay=0.0)
    phase = Phase(
        steps=2 * (len(kept) // 128), lr=lambda _: 0.01, batch_size=128, optimizer=sgd, augment=False
    )
    expected = fit(learned.trained.model, kept, phase, streams=Streams(4).fork("neggrad")).model
    assert_close(outcome.model, expected)


def test_the_mean_over_all_is_the_kept_loss_less_the_weighted_rejected_one(learned, told, monkeypatch):
    losses = []

    def note(model, samples, phase, *, streams, name):
        losses.append((phase.loss, samples))
        return fit(model, samples, Phase(steps=1, lr=phase.lr), streams=streams, name=name)

    monkeypatch.setattr("unchaff.methods.neggrad.fit", note)
    told(NegGradPlus(forget=0.2), learned.truth)(learned.trained, learned.observed, streams=Streams(0))
    (loss, samples), model = losses[0], learned.trained.model
    assert isinstance(loss, Signed)
    whole: Batch = next(samples.batches(len(samples)))
    found = loss(logits(model, samples), whole).mean()
    kept, rejected = (
        torch.nn.functional.cross_entropy(logits(model, part), part.labels)
        for part in (kept_of(learned), rejected_of(learned))
    )
    torch.testing.assert_close(found, 0.8 * kept - 0.2 * rejected)


@pytest.mark.parametrize(
    ("kind", "given", "message"),
    [
        (Scrub, {"max_epochs": 11}, "The published code takes 2 and 10"),
        (Scrub, {"temperature": 0.0}, "temperature must be above 0"),
        (NegGradPlus, {"forget": 1.0}, "forget must be in"),
        (NegGradPlus, {"epochs": 0}, "epochs must be at least 1"),
    ],
)
def test_settings_that_make_no_sense_are_refused(kind, given, message):
    with pytest.raises(ConfigError, match=message):
        kind(**given)
