"""Grounds whose network learned something else first, and what is compared there."""

from dataclasses import replace

import pytest
import torch

from unchaff.bench.backbones import Backbone, narrowed, of_classes
from unchaff.bench.cell import Cell, gather
from unchaff.bench.contenders import contender
from unchaff.bench.rivals import PgdTraining
from unchaff.bench.rows import Results
from unchaff.bench.settings import Place, Setting
from unchaff.bench.suite import Ground, planned, run
from unchaff.errors import ConfigError, NeedsError
from unchaff.evaluate.accuracy import score
from unchaff.evaluate.attacks import Attack, score_under
from unchaff.methods.encoder import of_rows
from unchaff.methods.retrain import Retrain
from unchaff.records import Observed
from unchaff.streams import Streams

OTHERS = Setting(
    name="others", data="digits", rows=800, epochs=6, model="small-cnn", seeds=(0,), classes=(5, 6, 7, 8, 9),
    backbone=Backbone(classes=(0, 1, 2, 3), noise="symmetric:0.3"),
    contenders=("nothing", "linear-probing", "full-fine-tuning", "nmtune-linear"),
)  # fmt: skip
UNLABELLED = replace(OTHERS, name="unlabelled", classes=(), backbone=Backbone(), rows=300)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return Place(networks=tmp_path_factory.mktemp("networks"), device="cpu")


@pytest.fixture(scope="module")
def ground(place):
    return Ground(OTHERS, 0, place)


def test_the_samples_of_some_classes_are_numbered_anew():
    samples = gather(Cell(device="cpu"), streams=Streams(0)).observed.train
    some = narrowed(samples, (7, 2))
    assert some.class_names == ("7", "2")
    given = dict(zip(samples.ids.tolist(), samples.labels.tolist(), strict=True))
    assert {given[each] for each in some.ids.tolist()} == {2, 7}
    assert [(7, 2)[label] for label in some.labels.tolist()] == [given[each] for each in some.ids.tolist()]


def test_planted_noise_and_some_classes_do_not_go_together():
    material = gather(Cell(noise="symmetric:0.2", device="cpu"), streams=Streams(0))
    with pytest.raises(ConfigError, match="Take noise none"):
        of_classes(material, (0, 1))


def test_the_network_learned_other_classes_and_has_a_new_last_layer(ground, place):
    model = ground.trained.model
    assert ground.trained.pretrained
    assert len(model[-1][-1].weight) == 5
    assert score(model, ground.material.test).accuracy < 0.5
    again = Ground(OTHERS, 0, place).trained
    assert len(list(place.networks.iterdir())) == 1
    assert again.pretrained
    assert all(torch.equal(each, again.initial[name]) for name, each in model.state_dict().items())


def test_a_layer_on_what_it_learned_tells_the_new_classes(ground, tmp_path):
    results = Results(tmp_path / "rows.jsonl")
    rows = {row.name: row for row in run(planned([OTHERS]), results, ground.place)}
    accuracy = {name: row.scores["accuracy"] for name, row in rows.items()}
    untaught = accuracy.pop("nothing")
    assert min(accuracy.values()) > untaught + 0.15
    begun = ground.trained.cost.flops / ground.full.flops
    for row in rows.values():
        assert row.share["with_start"] == pytest.approx(row.share["flops"] + begun)


def test_without_labels_no_labels_are_learned(place):
    ground = Ground(UNLABELLED, 0, place)
    apart = replace(place, networks=place.networks / "b")
    other = Ground(replace(UNLABELLED, noise="symmetric:0.5"), 0, apart)
    one, two = ground.trained.model.state_dict(), other.trained.model.state_dict()
    assert all(torch.equal(each, two[name]) for name, each in one.items())
    assert "learned without labels" in UNLABELLED.sentence
    again = Ground(replace(UNLABELLED, noise="symmetric:0.3"), 0, apart).trained.model.state_dict()
    assert all(torch.equal(each, again[name]) for name, each in one.items())
    assert len(list(apart.networks.iterdir())) == 1, "it is not learned again for other labels"


@pytest.mark.parametrize("name", ["linear-probing", "full-fine-tuning"])
def test_only_probing_leaves_the_layers_before_the_last_as_they_are(ground, name):
    before = ground.trained.model.state_dict()
    outcome = contender(name)(ground.trained, ground.material.seen, streams=Streams(0))
    after = outcome.model.state_dict()
    same = {key for key in before if torch.equal(before[key], after[key])}
    last = {key for key in before if key.startswith("5.4.")}
    assert last.isdisjoint(same)
    assert (same == before.keys() - last) == (name == "linear-probing")
    assert not outcome.model.training


def test_training_on_moved_inputs_makes_moved_inputs_harmless(place):
    ground = Ground(replace(OTHERS, classes=(), backbone=None, rows=300, epochs=4), 0, place)
    attack, accuracy = Attack(epsilon=25 / 255, step=10 / 255, steps=10), []
    for method in (Retrain(budget=2.0), PgdTraining(epsilon=25.0, budget=8.0)):
        outcome = method(ground.trained, ground.material.seen, streams=Streams(0))
        accuracy.append(score_under(attack, outcome.model, ground.material.test, streams=Streams(0)).accuracy)
    assert accuracy[1] > accuracy[0] + 0.1
    assert outcome.cost.flops / ground.full.flops == pytest.approx(8, rel=0.05)
    assert not outcome.model.training


def test_what_is_no_picture_is_not_moved(toy):
    method = contender("pgd-training")
    rows = of_rows(toy.observed.train, torch.rand(600, 4, generator=Streams(0)("rows")))
    with pytest.raises(NeedsError, match="moves pixels"):
        method(toy.trained, Observed(train=rows), streams=Streams(0))
