"""A loss that learns along, in a training that is interrupted and goes on."""

import pytest
import torch
from torch.nn import functional

from unchaff import journal
from unchaff.streams import Streams
from unchaff.train import loop
from unchaff.train.loop import fit
from unchaff.train.phases import Phase
from unchaff.train.tutor import Tutor


class Remembering(Tutor):
    """Blends the given label with what it drew and heard; all of it has to survive an interruption."""

    kept = ("heard",)

    def __init__(self, size, seen):
        super().__init__(Streams(5)("drawing"))
        self.heard, self.seen = torch.zeros(size, 4), seen

    def __call__(self, outputs, batch):
        weights = torch.rand(len(outputs), generator=self.generator)
        plain = functional.cross_entropy(outputs, batch.labels, reduction="none")
        return weights * plain - (outputs * self.heard[batch.rows]).mean(1)

    def see(self, rows, logits, labels):
        self.heard[rows] = 0.5 * self.heard[rows] + 0.5 * logits.detach().softmax(1)

    def look(self, model):
        self.seen.append(self.epoch)
        self.spend(len(self.heard), 1e6, "look")


PHASE = Phase(steps=60, lr=lambda _: 0.05, batch_size=60)  # six epochs of the toy


def trained(toy, tutor):
    phase = Phase(**{**vars(PHASE), "loss": tutor})
    return fit(toy.trained.model, toy.observed.train, phase, streams=Streams(0), watcher=tutor).model


def test_it_goes_on_where_it_stopped(toy, tmp_path, monkeypatch):
    monkeypatch.setattr(journal, "EVERY", 0)
    whole = Remembering(600, [])
    expected = trained(toy, whole)

    class Stopped(Remembering):
        def look(self, model):
            super().look(model)
            if self.epoch == 4:
                raise KeyboardInterrupt

    with journal.kept_by(journal.Journal(tmp_path)), pytest.raises(KeyboardInterrupt):
        trained(toy, Stopped(600, []))
    again = Remembering(600, [])
    with journal.kept_by(journal.Journal(tmp_path)):
        model = trained(toy, again)
    assert again.seen == [4, 5, 6]
    assert whole.seen == [1, 2, 3, 4, 5, 6]
    assert torch.equal(again.heard, whole.heard)
    assert again.cost == whole.cost
    assert again.cost.stages["look"].samples_seen == 3600
    for name, tensor in expected.state_dict().items():
        assert torch.equal(tensor, model.state_dict()[name]), name


def test_two_views_reach_the_loss_one_below_the_other_and_are_paid_for(toy):
    shapes = []

    def loss(outputs, batch):
        shapes.append((len(outputs), len(batch.labels)))
        return functional.cross_entropy(outputs[: len(batch.labels)], batch.labels, reduction="none")

    once = fit(toy.trained.model, toy.observed.train, Phase(steps=2, lr=PHASE.lr), streams=Streams(0))
    phase = Phase(steps=2, lr=PHASE.lr, views=("weak", "strong"), loss=loss)
    twice = fit(toy.trained.model, toy.observed.train, phase, streams=Streams(0))
    assert shapes == [(256, 128), (256, 128)]
    assert twice.cost.flops == pytest.approx(2 * once.cost.flops)
    assert twice.cost.samples_seen == 2 * once.cost.samples_seen


def test_views_of_a_batch_that_does_not_fit_stay_together(toy):
    """The pieces hold both views of the same samples, so that the gradient is the same."""
    seen = []

    def loss(outputs, batch):
        seen.append(len(batch.labels))
        weak, strong = outputs.chunk(2)
        return (weak - strong).square().mean(1) + functional.cross_entropy(
            weak, batch.labels, reduction="none"
        )

    phase = Phase(steps=1, lr=PHASE.lr, batch_size=64, views=("weak", "strong"), loss=loss)
    model = toy.trained.model
    training = loop.Training(model, toy.observed.train, phase, streams=Streams(0), watcher=None)
    training.learner.eval()  # so that statistics of a batch do not depend on its pieces
    training.run_epoch(lambda: None)
    pieces = loop.Training(model, toy.observed.train, phase, streams=Streams(0), watcher=None)
    pieces.learner.eval()
    pieces.piece = 16
    pieces.run_epoch(lambda: None)
    assert seen == [64, 16, 16, 16, 16]
    for one, other in zip(training.learner.parameters(), pieces.learner.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)
