from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from unchaff import journal, progress
from unchaff.data.prepare import Plain
from unchaff.data.sources import in_memory
from unchaff.errors import TrainingError
from unchaff.samples import Kind, canonical
from unchaff.streams import Streams
from unchaff.train.average import Average
from unchaff.train.loop import Training, fit
from unchaff.train.phases import Cosine, Phase
from unchaff.train.recorder import Recorder
from unchaff.train.still import hold_masks


def phase(steps=6, **options):
    return Phase(steps=steps, lr=Cosine(steps=steps, peak=0.05), batch_size=30, augment=False, **options)


def weights(model):
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def test_the_rate_rises_straight_and_falls_as_half_a_cosine():
    rate = Cosine(steps=100, peak=0.4, warmup=0.2)
    assert rate(0) == pytest.approx(0.4 / 20)
    assert rate(9) == pytest.approx(0.2)
    assert rate(19) == pytest.approx(0.4)
    assert rate(59) == pytest.approx(0.2), "half of the fall"
    assert rate(99) == pytest.approx(0, abs=1e-12)
    assert rate(500) == pytest.approx(0, abs=1e-12)
    assert max(rate(step) for step in range(100)) == pytest.approx(0.4)


@pytest.mark.parametrize("warmup", [0.0, 1.0])
def test_the_rate_is_sound_at_the_ends_of_warmup(warmup):
    rates = [Cosine(steps=3, peak=1.0, warmup=warmup)(step) for step in range(4)]
    assert all(0 <= rate <= 1 for rate in rates)
    assert rates[0] > 0


def test_a_phase_takes_its_steps_and_leaves_the_model_alone(toy):
    before = weights(toy.trained.model)
    fitted = fit(toy.trained.model, toy.observed.train, phase(7), streams=Streams(0), name="here")
    assert fitted.cost.samples_seen == 7 * 30
    assert list(fitted.cost.stages) == ["here"]
    assert fitted.model[1][1].num_batches_tracked == before["1.1.num_batches_tracked"] + 7
    for name, tensor in toy.trained.model.state_dict().items():
        assert torch.equal(tensor, before[name]), name


def test_operations_of_the_loss_are_in_the_bill(toy):
    plain, more = (
        fit(toy.trained.model, toy.observed.train, phase(2, beside=each), streams=Streams(0)).cost
        for each in (0.0, 5e6)
    )
    assert more.flops == plain.flops + 2 * 5e6


def test_masked_weights_stay_exact_zeros_and_their_average_too(toy):
    mask = torch.ones_like(toy.trained.model[3].weight)
    mask[[2, 5]] = 0
    masks = {"3.weight": mask}
    fitted = fit(toy.trained.model, toy.observed.train, phase(masks=masks, average=0.9), streams=Streams(0))
    for model in (fitted.model, fitted.averaged):
        assert model[3].weight[[2, 5]].abs().max() == 0
        assert model[3].weight.abs().sum() > 0


def test_only_what_is_named_learns_buffers_included(toy):
    fitted = fit(toy.trained.model, toy.observed.train, phase(trains=("1.0", "5")), streams=Streams(0))
    for name, tensor in toy.trained.model.state_dict().items():
        learned = name.startswith(("1.0.", "5."))
        assert torch.equal(tensor, fitted.model.state_dict()[name]) != learned, name
    assert all(parameter.requires_grad for parameter in fitted.model.parameters())


def test_the_running_mean_is_the_one_computed_by_hand():
    live = nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        live.weight.fill_(1.0)
    average = Average(live, decay=0.5)
    expected = 1.0
    for step, value in enumerate([2.0, 4.0, 8.0], start=1):
        live.weight.data.fill_(value)
        average.update()
        decay = min(0.5, step / (step + 9))
        expected = decay * expected + (1 - decay) * value
    torch.testing.assert_close(average.model(live).weight, torch.full((1, 1), expected))


def test_without_a_decay_the_mean_is_the_model_itself(toy):
    fitted = fit(toy.trained.model, toy.observed.train, phase(1), streams=Streams(0))
    assert fitted.averaged is fitted.model


def test_masks_touch_only_their_own():
    model = nn.Linear(3, 2)
    before = weights(model)
    hold_masks(model, {"bias": torch.tensor([1.0, 0.0])})
    assert torch.equal(model.weight, before["weight"])
    assert model.bias.tolist() == [before["bias"][0].item(), 0.0]


def test_an_epoch_shows_every_sample_once(toy):
    seen = []
    samples = replace(toy.observed.train, source=Spy(toy.observed.train.source, seen))
    fit(toy.trained.model, samples, phase(20), streams=Streams(0))
    rows = np.concatenate(seen[:20])
    assert sorted(rows) == list(range(600))
    assert rows.tolist() != list(range(600)), "in a drawn order"


class Spy:
    in_memory = True

    def __init__(self, source, seen):
        self.source, self.seen = source, seen

    def read(self, batches):
        batches = list(batches)
        self.seen += batches
        return self.source.read(batches)

    def raw(self, rows):
        return self.source.raw(rows)

    def altered(self, change, *, fresh=False):
        return Spy(self.source.altered(change, fresh=fresh), self.seen)

    def select(self, rows):
        return Spy(self.source.select(rows), self.seen)

    def to(self, device):
        return Spy(self.source.to(device), self.seen)


def test_a_loss_that_is_no_number_stops_with_advice(toy):
    steep = replace(phase(6), lr=lambda _step: 1e30)
    with pytest.raises(TrainingError, match=r"'fine-tune' is no longer finite.*unchaff doctor"):
        fit(toy.trained.model, toy.observed.train, steep, streams=Streams(0))


def test_dropout_of_the_network_is_repeatable_and_leaves_the_global_generator(toy):
    model = nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(64, 4))
    before = torch.random.get_rng_state()
    first, second = (
        fit(model, toy.observed.train, phase(), streams=Streams(0)).model[2].weight for _ in range(2)
    )
    assert torch.equal(first, second)
    assert torch.equal(before, torch.random.get_rng_state())


def test_a_picture_is_shown_as_it_is_and_mirrored_in_turns():
    shown = []

    class Notes(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.ones(2))

        def forward(self, inputs):
            name, rises = inputs[:, 1, 0, 0].round().long(), inputs[:, 0, 12, 24] > inputs[:, 0, 12, 8]
            shown.append(dict(zip(name.tolist(), rises.tolist(), strict=True)))
            return self.scale * torch.ones(len(inputs), 2)

    inputs = torch.zeros(12, 3, 32, 32)
    inputs[:, 0] = torch.arange(32.0)
    inputs[:, 1] = torch.arange(12.0)[:, None, None]
    samples = canonical(
        range(12), torch.arange(12) % 2, class_names=("a", "b"),
        kind=Kind("image", (3, 32, 32), views=("plain", "mirror")), source=in_memory(inputs, Plain()),
    )  # fmt: skip
    fit(Notes(), samples, Phase(steps=4, lr=lambda _: 0.0, batch_size=12), streams=Streams(0))
    epochs = [seen for seen in shown if len(seen) == 12]
    assert len(epochs) == 4
    assert 1 < sum(epochs[0].values()) < 11, "some begin as they are, some mirrored"
    for before, after in pairwise(epochs):
        assert all(before[name] != after[name] for name in before)


def failing(*calls):
    """Return a loss that is infinite at these calls."""
    seen = []

    def loss(outputs, batch):
        seen.append(len(seen))
        each = functional.cross_entropy(outputs, batch.labels, reduction="none")
        return each * float("inf") if seen[-1] in calls else each

    return loss


def test_a_loss_that_is_no_longer_finite_takes_training_back_once(toy):
    steps = 3 * (len(toy.observed.train) // 30)
    said = []

    class Hears(progress.Silent):
        def say(self, text):
            said.append(text)

    with progress.shown_by(Hears()):
        fitted = fit(
            toy.trained.model, toy.observed.train, phase(steps, loss=failing(steps // 2)), streams=Streams(0)
        )
    assert all(each.isfinite().all() for each in fitted.model.state_dict().values())
    assert len(said) == 1
    assert said[0].endswith(f"back to step {steps // 3}, with half the rate.")


def test_the_second_time_training_ends(toy):
    with pytest.raises(TrainingError, match="with half the rate too"):
        fit(toy.trained.model, toy.observed.train, phase(6, loss=failing(0, 6)), streams=Streams(0))


def test_a_phase_goes_on_from_what_a_journal_holds(toy, tmp_path, monkeypatch):
    monkeypatch.setattr(journal, "EVERY", 0)
    steps = 3 * (len(toy.observed.train) // 30)

    def run(loss=None, folder="j"):
        with journal.kept_by(journal.Journal(tmp_path / folder)):
            return fit(
                toy.trained.model,
                toy.observed.train,
                phase(steps, average=0.9, loss=loss),
                streams=Streams(0),
                watcher=Recorder(toy.observed.train.ids),
            )

    whole = run(folder="whole")

    class CutError(Exception):
        pass

    def cut(outputs, batch):
        calls.append(1)
        if len(calls) == steps - 2:
            raise CutError
        return functional.cross_entropy(outputs, batch.labels, reduction="none")

    calls = []
    with pytest.raises(CutError):
        run(cut)
    assert len(calls) == steps - 2
    calls.clear()
    calls += [1] * steps  # never again
    again = run(cut)
    assert len(calls) == steps + steps // 3, "only the last epoch was trained once more"
    for one, two in zip((whole.model, whole.averaged), (again.model, again.averaged), strict=True):
        assert all(
            torch.equal(a, b) for a, b in zip(weights(one).values(), weights(two).values(), strict=True)
        )
    assert whole.cost.flops == again.cost.flops


def test_memory_that_runs_out_halves_what_runs_at_once_and_starts_the_epoch_again(toy, cramped, heard):
    steps = 2 * (len(toy.observed.train) // 30)
    tight = cramped(toy.trained.model, room=9)
    learning = phase(steps, average=0.9)
    recorder = Recorder(toy.observed.train.ids)
    fitted = fit(tight, toy.observed.train, learning, streams=Streams(0), watcher=recorder)
    assert heard == ["The memory of the device did not hold batches of 30 in 'fine-tune': now they are of 7."]
    with Streams(0).forked_global("train"):
        whole = Training(
            cramped(toy.trained.model, room=99),
            toy.observed.train,
            learning,
            streams=Streams(0),
            watcher=None,
        )
        whole.piece = 7
        while whole.step < steps:
            whole.run_epoch(lambda: None)
    for name, tensor in whole.learner.state_dict().items():
        assert torch.equal(tensor, fitted.model.state_dict()[name]), name
    assert fitted.cost.samples_seen == 30 * steps, "a batch is a batch, whatever runs at once"
    assert recorder.record().margins.isfinite().all()


def test_a_batch_in_pieces_has_the_gradients_of_the_whole(toy, cramped):
    plain = nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 4))
    roomy, tight = (
        fit(cramped(plain, room), toy.observed.train, phase(20), streams=Streams(0)).model for room in (99, 8)
    )
    torch.testing.assert_close(tight.state_dict(), roomy.state_dict(), rtol=1e-5, atol=1e-6)
    assert max(tight.seen[2:]) <= 30


def test_half_the_rate_and_smaller_pieces_go_together(toy, cramped, heard):
    steps = 2 * (len(toy.observed.train) // 30)
    tight = cramped(toy.trained.model, room=15)
    fitted = fit(tight, toy.observed.train, phase(steps, loss=failing(50)), streams=Streams(0))
    assert [sentence.split()[1] for sentence in heard] == ["memory", "loss"]
    assert all(each.isfinite().all() for each in fitted.model.state_dict().values())
