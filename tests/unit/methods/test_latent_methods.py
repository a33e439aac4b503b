"""Latent labels and confusing instances in training: degenerate cases by hand, and small planted noise."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score
from torch.nn import functional

from unchaff import journal
from unchaff.data.prepare import Pixels
from unchaff.data.sources import in_memory
from unchaff.errors import ConfigError
from unchaff.evaluate.accuracy import score
from unchaff.methods import upm
from unchaff.methods.latent import Believing
from unchaff.methods.lccn import Lccn, Sampler
from unchaff.methods.retrain import Retrain
from unchaff.methods.upm import Confusing, First, Upm
from unchaff.records import Cost, Observed, Recipe
from unchaff.samples import Batch, Kind, canonical
from unchaff.streams import Streams
from unchaff.train.gibbs import counted
from unchaff.train.passes import logits_of


def batch_of(samples, rows, labels=None):
    rows = np.array(rows)
    given = samples.labels[rows] if labels is None else labels
    return Batch(ids=samples.ids[rows], rows=rows, inputs=torch.zeros(len(rows), 1), labels=given)


def sampler(samples, method=None, hold=0):
    """One whose warm-up is over; the first transition is held for so many visits."""
    said = torch.randn(len(samples), 4, generator=Streams(0)("said")).log_softmax(1)
    drawing = waiting(samples, replace(method or Lccn(), hold=hold / 10_000))
    drawing.begin(said)
    return drawing


def waiting(samples, method):
    return Sampler(samples, method, visits=10_000, generator=Streams(0)("drawing"))


def confusing(samples, method, psi=0.3, wait=0):
    said = torch.randn(len(samples), 4, generator=Streams(0)("said")).log_softmax(1)
    return Confusing(samples, First(said, torch.full((len(samples),), psi), Cost()), method, wait=wait)


OUTPUTS = torch.randn(60, 4, generator=Streams(1)("outputs"))


def test_without_noise_the_latent_label_is_the_given_one(toy):
    samples = toy.observed.train
    drawing, rows = sampler(samples, hold=1000), range(60)
    drawing.transition = torch.eye(4).double()
    loss = drawing(OUTPUTS, batch_of(samples, rows))
    plain = functional.cross_entropy(OUTPUTS, samples.labels[:60], reduction="none")
    assert torch.equal(loss, plain)
    assert torch.equal(drawing.latent[:60], samples.labels[:60])


def test_counts_follow_what_is_drawn_and_the_safeguard_is_kept(toy):
    samples = toy.observed.train
    drawing = sampler(samples)
    for start in range(0, 600, 60):
        drawing(OUTPUTS, batch_of(samples, range(start, start + 60)))
        assert torch.equal(drawing.counts, counted(drawing.latent, samples.labels, 4))
        assert drawing.counts.sum() == 600
    ratio, length = drawing.largest.tolist()
    assert 0 < ratio <= 1
    assert length > 0
    assert "within the safeguard" in drawing.note()
    drawing.largest[0] = 1.5
    assert "BEYOND the safeguard" in drawing.note()


def test_the_warm_up_learns_the_given_labels_until_the_network_gives_them_enough(toy):
    samples = toy.observed.train
    drawing = waiting(samples, Lccn(ready=0.8))
    plain = functional.cross_entropy(OUTPUTS, samples.labels[:60], reduction="none")
    assert torch.equal(drawing(OUTPUTS, batch_of(samples, range(60))), plain)
    drawing.end_epoch(toy.trained.model)
    assert not drawing.begun, "it gave them too little"
    assert "was over before" in drawing.note()
    assert torch.equal(drawing.judged(samples, "").suggested, samples.labels)
    sure = 5.0 * functional.one_hot(samples.labels, 4)
    for rows in range(0, 600, 60):
        drawing(sure[rows : rows + 60], batch_of(samples, range(rows, rows + 60)))
    drawing.end_epoch(toy.trained.model)
    assert drawing.begun
    assert drawing.cost.stages["first transition"].samples_seen == 600
    said = logits_of(toy.trained.model, samples, name="said").rows
    assert torch.equal(drawing.latent, said.argmax(1))
    assert int(drawing.until) == int(0.43 * (10_000 - 660))


def test_the_warm_up_is_over_at_the_nearest_pass(toy):
    samples = toy.observed.train  # 600 of 10,000 visits
    drawing = waiting(samples, Lccn(ready=1.0, warmup=0.3))
    begun = []
    for _ in range(6):
        for rows in range(0, 600, 60):
            drawing(OUTPUTS, batch_of(samples, range(rows, rows + 60)))
        drawing.end_epoch(toy.trained.model)
        begun.append(bool(drawing.begun))
    assert begun == [False, False, False, False, True, True]


def test_the_transition_is_held_and_then_refreshed_every_so_many_visits(toy):
    samples = toy.observed.train
    drawing = sampler(samples, Lccn(refresh=0.2, first="probabilities"), hold=120)
    seen = []
    for start in range(0, 540, 60):
        before = drawing.transition
        drawing(OUTPUTS, batch_of(samples, range(start, start + 60)))
        seen.append(drawing.transition is before)
    assert seen == [True, True, False, True, False, True, False, True, False]


def test_outputs_beyond_the_classes_are_never_drawn(toy):
    samples = toy.observed.train
    wide = torch.cat([OUTPUTS, torch.full((60, 2), 9.0)], dim=1)
    drawing = sampler(samples)
    assert torch.isfinite(drawing(wide, batch_of(samples, range(60)))).all()
    assert drawing.latent.max() <= 3
    assert torch.isfinite(confusing(samples, Upm())(wide, batch_of(samples, range(60)))).all()


def test_the_belief_is_the_mean_over_the_visits():
    believing = Believing(torch.tensor([[1.0, 0.0], [0.5, 0.5]]))
    for said in ([0.2, 0.8], [0.4, 0.6]):
        believing.remember(torch.tensor([0]), torch.tensor([said]))
    torch.testing.assert_close(believing.belief, torch.tensor([[0.3, 0.7], [0.5, 0.5]]))


def test_where_nothing_is_confusing_training_is_plain(toy):
    samples = toy.observed.train
    loss = confusing(samples, Upm(start=0.0), wait=1000)(OUTPUTS, batch_of(samples, range(60)))
    plain = functional.cross_entropy(OUTPUTS, samples.labels[:60], reduction="none")
    torch.testing.assert_close(loss, plain, rtol=0, atol=1e-2)  # a likelihood is never below 1e-5


def test_where_all_is_confusing_the_network_learns_what_it_says(toy):
    samples = toy.observed.train
    loss = confusing(samples, Upm(start=1.0), wait=1000)(OUTPUTS, batch_of(samples, range(60)))
    said = OUTPUTS.log_softmax(1)
    torch.testing.assert_close(loss, -(said.exp() * said).sum(1))


def test_eta_waits_and_then_follows_the_rule_by_row(toy):
    samples = toy.observed.train
    teller = confusing(samples, Upm(), wait=60)
    batch = batch_of(samples, range(59, -1, -1))
    teller(OUTPUTS, batch)
    assert (teller.eta == torch.tensor(0.01)).all(), "it waits"
    teller(OUTPUTS, batch)
    own = OUTPUTS.softmax(1).gather(1, batch.labels[:, None]).squeeze(1)
    odds = own * (0.99 + 0.01 * 0.3)
    own_after = odds / (odds + (1 - own) * 0.01 * 0.3)
    torch.testing.assert_close(teller.eta[:60].flip(0), ((1 - own_after) / 0.7).clamp(0, 1))
    assert (teller.eta[60:] == torch.tensor(0.01)).all(), "those that were not seen"


def test_psi_is_brought_near_what_the_network_gives_the_labels_when_eta_begins(toy):
    samples = toy.observed.train
    said = 9 * functional.one_hot(samples.labels, 4) + 3 * torch.randn(600, 4, generator=Streams(0)("said"))
    teller = Confusing(samples, First(said.log_softmax(1), None, Cost()), Upm(ready=0.8), wait=10**6)
    sure = 3.0 * functional.one_hot(samples.labels, 4)
    for rows in range(0, 600, 60):
        teller(sure[rows : rows + 60], batch_of(samples, range(rows, rows + 60)))
    assert (teller.eta == torch.tensor(0.01)).all(), "it waits"
    teller.end_epoch(toy.trained.model)
    teller(sure[:60], batch_of(samples, range(60)))
    assert (teller.eta[:60] != torch.tensor(0.01)).any()
    assert float(teller.psi.mean()) == pytest.approx(0.85 * float(sure.softmax(1).amax(1).mean()), rel=1e-3)
    assert teller.psi.std() > 0.01, "softened, and not one number"


def test_samples_that_were_not_shown_yet_give_their_labels_nothing_and_do_not_count(toy):
    samples = toy.observed.train
    teller = confusing(samples, Upm(), wait=10**6)
    assert teller.giving() == 0
    sure = 3.0 * functional.one_hot(samples.labels, 4)
    teller(sure[:60], batch_of(samples, range(60)))
    assert teller.giving() == pytest.approx(float(sure[:60].softmax(1).amax(1).mean()))


@pytest.mark.parametrize("frozen", [0.0, 0.001, 0.7])
def test_psi_is_levelled_once_after_a_whole_pass_however_early_eta_is_learned(toy, monkeypatch, frozen):
    levels, level = [], upm.levelled

    def watched(said, labels, mean):
        levels.append(mean)
        return level(said, labels, mean)

    monkeypatch.setattr(upm, "levelled", watched)
    brief = replace(toy.trained, recipe=replace(toy.trained.recipe, epochs=3))
    outcome = Upm(frozen=frozen, ready=1.0)(brief, toy.observed, streams=Streams(0))
    assert len(levels) == 1
    assert 0.85 * 0.25 < levels[0] < 0.85, "what a whole pass said, not a batch of it"
    assert outcome.partition.evidence["unconfusing"].unique().numel() > 2, "eta was learned"


def test_eta_is_not_learned_by_a_network_that_gives_the_labels_little(toy):
    samples = toy.observed.train
    teller = confusing(samples, Upm(ready=0.8), wait=10**6)
    for rows in range(0, 600, 60):
        teller(OUTPUTS, batch_of(samples, range(rows, rows + 60)))
    teller.end_epoch(toy.trained.model)
    teller(OUTPUTS, batch_of(samples, range(60)))
    assert (teller.eta == torch.tensor(0.01)).all()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda: Lccn(warmup=1.5), "warmup must be in"),
        (lambda: Lccn(hold=2.0), "hold must be in"),
        (lambda: Lccn(alpha=0.0), "must be above 0, got 0.5 and 0.0"),
        (lambda: Upm(start=2.0), "start must be in"),
        (lambda: Upm(temperature=0.0), "temperature must be above 0"),
        (lambda: Upm(budget=0.0), "budget must be above 0"),
    ],
)
def test_a_setting_out_of_range_is_said(wrong, said):
    with pytest.raises(ConfigError, match=said):
        wrong()


@pytest.mark.parametrize("kind", [Lccn, Upm])
def test_an_interrupted_training_ends_with_the_same_bytes(toy, tmp_path, monkeypatch, kind):
    monkeypatch.setattr(journal, "EVERY", 0)
    whole = kind(budget=0.7)(toy.trained, toy.observed, streams=Streams(5))
    end_epoch = Believing.end_epoch

    def stopped(self, model):
        end_epoch(self, model)
        if self.epoch == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(Believing, "end_epoch", stopped)
    with journal.kept_by(journal.Journal(tmp_path)), pytest.raises(KeyboardInterrupt):
        kind(budget=0.7)(toy.trained, toy.observed, streams=Streams(5))
    monkeypatch.setattr(Believing, "end_epoch", end_epoch)
    with journal.kept_by(journal.Journal(tmp_path)):
        again = kind(budget=0.7)(toy.trained, toy.observed, streams=Streams(5))
    assert torch.equal(again.partition.quality, whole.partition.quality)
    assert again.notes == whole.notes
    assert again.cost.flops == whole.cost.flops
    for name, tensor in whole.model.state_dict().items():
        assert torch.equal(tensor, again.model.state_dict()[name]), name


def test_a_network_that_knows_the_labels_by_heart_does_not_serve(toy):
    """The given network is replaced by one of half the budget, or used with a warning where it must be."""
    by_heart = replace(toy.trained, model=torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 4)))
    with torch.no_grad():
        by_heart.model[1].weight.zero_()
        by_heart.model[1].bias.copy_(torch.tensor([99.0, 0, 0, 0]))
    one = toy.observed.train.relabel(torch.zeros(600, dtype=torch.int64))
    observed = Observed(train=one)
    outcome = Upm(temperature=1.0)(by_heart, observed, streams=Streams(0))
    assert "psi network" in outcome.cost.stages
    forced = Upm(own=False, temperature=1.0)(by_heart, observed, streams=Streams(0))
    assert "psi network" not in forced.cost.stages
    assert "by heart" in forced.notes[0]


def pictures(count):
    """Return samples as those of the toy, and four labels in ten changed to another class."""
    draw = torch.Generator().manual_seed(count)
    prototypes = torch.rand(4, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    true = torch.arange(count) % 4
    noise = torch.randn(count, 1, 8, 8, generator=draw)
    raw = ((prototypes[true] * 0.5 + 0.25 + 0.25 * noise).clamp(0, 1) * 255).byte()
    clean = canonical(
        range(count),
        true,
        class_names=("a", "b", "c", "d"),
        kind=Kind("image", (1, 8, 8)),
        source=in_memory(raw, Pixels()),
    )
    is_wrong = torch.randperm(count, generator=draw) < 0.4 * count
    return clean, clean.relabel(torch.where(is_wrong, (true + 1 + torch.arange(count) // 7 % 3) % 4, true))


@pytest.fixture(scope="module")
def planted(toy):
    """Noise that a plain training is long enough to learn by heart: its data, its end, and a clean test."""
    clean, noisy = pictures(1200)
    trained = replace(toy.trained, recipe=Recipe(epochs=24, batch_size=80, lr=0.1))
    observed = Observed(train=noisy)
    plain = Retrain()(trained, observed, streams=Streams(1))
    return replace(trained, model=plain.model), observed, clean, pictures(400)[0]


@pytest.mark.parametrize(("method", "ahead"), [(Lccn(), 0.015), (Upm(), 0.02)], ids=["lccn", "upm"])
def test_planted_noise_is_found_and_does_less_harm(planted, method, ahead):
    trained, observed, clean, test = planted
    outcome = method(trained, observed, streams=Streams(1))
    assert score(outcome.model, test).accuracy > score(trained.model, test).accuracy + ahead
    split, is_wrong = outcome.partition, observed.train.labels != clean.labels
    assert roc_auc_score(is_wrong, 1 - split.quality) > 0.9
    assert (split.suggested == clean.labels).double().mean() > 0.75
    if outcome.transition is not None:
        torch.testing.assert_close(outcome.transition.sum(1), torch.ones(4))
        assert (outcome.transition.argmax(1) == torch.arange(4)).all()
    if "unconfusing" in split.evidence:
        assert roc_auc_score(is_wrong, 1 - split.evidence["unconfusing"]) > 0.9
