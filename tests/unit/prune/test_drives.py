from dataclasses import replace

import torch

from unchaff.nets.taps import find_layers
from unchaff.prune.activations import observe_units
from unchaff.prune.drives import SHOWN, UNITS, drives
from unchaff.records import PrunedUnit, PrunePlan


def _plan(number: int) -> PrunePlan:
    return PrunePlan(tuple(PrunedUnit("3", unit, (-1) ** unit * unit / 10) for unit in range(number)))


def test_the_strongest_units_come_first_with_what_drove_them_most(toy) -> None:
    found = drives(toy.trained, toy.observed.train, _plan(9))
    assert [drive.unit for drive in found] == list(range(8, 8 - UNITS, -1))
    samples = toy.observed.train
    layers = find_layers(toy.trained.model, next(samples.batches(2)).inputs)
    every = observe_units(toy.trained, samples, [layer for layer in layers if layer.name == "3"]).layers["3"]
    for drive in found:
        best = every[:, drive.unit].topk(SHOWN).values
        own = every[torch.from_numpy(samples.rows_of(drive.ids)), drive.unit].sort(descending=True).values
        torch.testing.assert_close(own, best)
        assert drive.among == len(samples)


def test_no_more_than_some_are_looked_at(toy, monkeypatch) -> None:
    monkeypatch.setattr("unchaff.prune.drives.LOOKED_AT", 50)
    found = drives(toy.trained, toy.observed.train, _plan(2))
    assert {drive.among for drive in found} == {50}


def test_nothing_pruned_nothing_looked_at(toy) -> None:
    assert drives(replace(toy.trained, model=torch.nn.Identity()), toy.observed.train, PrunePlan()) == ()
