"""Processes that train together learn one network, as if one had taken all their samples."""

import torch
from torch import distributed, multiprocessing

from unchaff.streams import Streams
from unchaff.train import together
from unchaff.train.loop import fit
from unchaff.train.optimizers import Sgd
from unchaff.train.phases import Phase


def phase(steps):
    return Phase(steps=steps, lr=lambda _step: 0.05, batch_size=40, optimizer=Sgd(), augment=False)


def train(rank, place, count, samples, model, steps):
    """Train on every other sample, and leave the weights."""
    torch.set_num_threads(1)
    if count > 1:
        distributed.init_process_group("gloo", f"file://{place}/meeting", rank=rank, world_size=count)
    assert together.number() == count
    assert together.least(7 + rank) == 7
    assert together.all_are(rank < count)
    assert together.all_are(rank == 0) is (count == 1)
    mine = samples.at(torch.arange(rank, len(samples), count).numpy())
    fitted = fit(model, mine, phase(steps), streams=Streams(0))
    torch.save(fitted.model.state_dict(), f"{place}/{count}-{rank}.pt")
    if count > 1:
        distributed.destroy_process_group()


def run_two(work, *given):
    multiprocessing.start_processes(work, given, nprocs=2, start_method="fork")


def test_two_processes_end_with_one_network_that_learned_from_both(toy, tmp_path):
    samples, plain = toy.clean.at(torch.arange(81).numpy()), toy.trained.model
    run_two(train, str(tmp_path), 2, samples, plain, 3)
    first, second = (torch.load(tmp_path / f"2-{rank}.pt") for rank in range(2))
    for name, weight in first.items():
        assert torch.equal(weight, second[name]), name
    begun = plain.state_dict()
    assert not torch.equal(first["5.weight"], begun["5.weight"])


def test_a_step_of_two_is_the_step_of_one_over_all_their_samples(toy, tmp_path):
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 4))  # nothing that depends on a batch
    samples = toy.clean.at(torch.arange(40).numpy())
    run_two(train, str(tmp_path), 2, samples, model, 1)
    train(0, str(tmp_path), 1, samples, model, 1)
    alone = torch.load(tmp_path / "1-0.pt")
    for name, weight in torch.load(tmp_path / "2-0.pt").items():
        torch.testing.assert_close(weight, alone[name])
        assert not torch.equal(weight, model.state_dict()[name])
