"""What is asked of a network beyond clean inputs."""

import pytest

from unchaff.bench.probes import Probing, probed
from unchaff.data.prepare import Pixels, Plain
from unchaff.errors import ConfigError
from unchaff.evaluate.accuracy import score
from unchaff.streams import Streams


@pytest.fixture
def by(toy):
    return Probing(test=toy.test, prepare=Pixels(), start=toy.trained.model, streams=Streams(0))


@pytest.mark.parametrize("name", ["pgd:0:1", "hardware:0", "gaussian:1:0", "transfer:pgd:0:1"])
def test_nothing_asked_is_accuracy_on_clean_inputs(toy, by, name):
    assert probed(name, toy.trained.model, by) == score(toy.trained.model, toy.test).accuracy


@pytest.mark.parametrize("name", ["pgd:40:10", "hardware:3", "gaussian:1:0.8"])
def test_much_asked_costs_accuracy_and_is_the_same_for_a_seed(toy, by, name):
    found = probed(name, toy.trained.model, by)
    assert found < score(toy.trained.model, toy.test).accuracy - 0.1
    assert probed(name, toy.trained.model, by) == found


def test_an_attack_on_another_network_costs_less(clean_toy, by):
    model = clean_toy.trained.model
    assert probed("transfer:pgd:20:10", model, by) > probed("pgd:20:10", model, by)


@pytest.mark.parametrize(
    ("name", "message"),
    [("pgd:8", "takes 2 numbers"), ("hardware:a", "takes 1 numbers"), ("none", "There is no probe 'none'")],
)
def test_wrong_names_are_one_sentence(toy, by, name, message):
    with pytest.raises(ConfigError, match=message):
        probed(name, toy.trained.model, by)


def test_an_attack_on_other_inputs_than_pictures_is_refused(toy):
    by = Probing(test=toy.test, prepare=Plain(), start=toy.trained.model, streams=Streams(0))
    with pytest.raises(ConfigError, match="is for pictures"):
        probed("pgd:8:2", toy.trained.model, by)
