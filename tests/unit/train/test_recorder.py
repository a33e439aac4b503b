import numpy as np
import torch

from unchaff.nets.build import build
from unchaff.records import Recipe
from unchaff.streams import Streams
from unchaff.train.initial import full_cost, steps_of, train_by, train_initial
from unchaff.train.recorder import Recorder


def test_margins_land_in_their_row_and_epoch():
    recorder = Recorder(np.array([10, 20, 30]))
    recorder.begin_epoch()
    recorder.see(np.array([2, 0]), torch.tensor([[1.0, 4.0], [5.0, 2.0]]), torch.tensor([1, 1]))
    recorder.begin_epoch()
    recorder.see(np.array([1]), torch.tensor([[0.0, 2.0]]), torch.tensor([0]))
    record = recorder.record()
    nan = float("nan")
    expected = torch.tensor([[-3.0, nan, 3.0], [nan, -2.0, nan]])
    torch.testing.assert_close(record.margins, expected, equal_nan=True)


def test_recording_does_not_change_the_training(toy):
    recipe = Recipe(epochs=1, batch_size=60)
    model, samples = toy.trained.model, toy.observed.train
    plain = train_by(recipe, model, samples, streams=Streams(0)).model
    recorder = Recorder(samples.ids)
    recorded = train_by(recipe, model, samples, streams=Streams(0), watcher=recorder).model
    assert torch.equal(plain[5].weight, recorded[5].weight)
    assert recorder.record().margins.shape == (1, 600)
    assert torch.isfinite(recorder.record().margins).all()


def test_a_training_from_scratch_keeps_where_it_began(toy):
    recipe = Recipe(epochs=2, batch_size=100)
    trained = train_initial(
        build("mlp", toy.observed.train, streams=Streams(0)), toy.observed.train, recipe, streams=Streams(0)
    )
    names = trained.model.state_dict()
    assert trained.initial.keys() == names.keys()
    assert not torch.equal(trained.initial["8.weight"], names["8.weight"])
    assert trained.record.margins.shape == (2, 600)
    assert not trained.model.training
    full = full_cost(trained, toy.observed.train)
    assert (full.samples_seen, full.flops) == (trained.cost.samples_seen, trained.cost.flops)


def test_steps_leave_an_incomplete_batch_out():
    assert steps_of(Recipe(epochs=3, batch_size=32), 100) == 9
    assert steps_of(Recipe(epochs=3, batch_size=32), 5) == 3
