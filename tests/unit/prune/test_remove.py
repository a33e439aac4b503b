"""A network without its pruned units answers as the one in which they are silent."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from unchaff.errors import ModelError
from unchaff.methods.unlearn import Unlearn
from unchaff.nets.cnn import audio_cnn, small_cnn
from unchaff.nets.mlp import mlp
from unchaff.nets.resnet import resnet18
from unchaff.nets.taps import find_layers, prunable
from unchaff.prune.apply import prune
from unchaff.prune.importance import Importance
from unchaff.prune.remove import removable, remove, without
from unchaff.records import PrunedUnit, PrunePlan, Trained
from unchaff.streams import Streams

pytest.importorskip("torch_pruning", reason="needs the extra structural")

CASES = {
    "small-cnn": (small_cnn, (3, 32, 32)),
    "resnet18": (resnet18, (3, 32, 32)),
    "audio-cnn": (audio_cnn, (1, 40, 100)),
    "mlp": (mlp, (1, 8, 8)),
}


def size(model):
    return sum(each.numel() for each in model.parameters())


def built(case):
    make, shape = CASES[case]
    with Streams(0).forked_global("remove"):
        model, inputs = make(shape, 10), torch.randn(4, *shape)
        model.train()(inputs)  # statistics that are not those of a fresh network
    return model.eval(), inputs


def every_other_unit(model, inputs):
    layers = prunable(find_layers(model, inputs), model)
    return PrunePlan(
        tuple(PrunedUnit(each.name, unit, 1.0) for each in layers for unit in range(0, each.units, 2))
    )


@pytest.mark.parametrize("case", CASES)
def test_outputs_are_those_of_the_silenced_network(case):
    model, inputs = built(case)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    plan = removable(model, every_other_unit(model, inputs), inputs)
    assert plan.units
    smaller = remove(model, plan, inputs)
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, before[name]), "the network that came in was changed"
    with torch.no_grad():
        torch.testing.assert_close(
            smaller(inputs), prune(model, plan, inputs).model(inputs), rtol=1e-5, atol=1e-5
        )
    assert size(smaller) < 0.7 * size(model)
    for name, units in plan.by_layer().items():
        assert len(smaller.get_parameter(f"{name}.weight")) == len(
            model.get_parameter(f"{name}.weight")
        ) - len(units)


def test_what_is_added_to_others_stays_and_so_does_the_last_unit():
    model, inputs = built("small-cnn")
    layers = {unit.layer for unit in removable(model, every_other_unit(model, inputs), inputs).units}
    assert layers == {"2.conv1", "3.conv1", "4.conv1", "5.2"}
    whole = PrunePlan(tuple(PrunedUnit("5.2", unit, 1.0) for unit in range(128)))
    assert removable(model, whole, inputs).units == ()


def test_the_weights_it_began_with_shrink_alike_and_frozen_ones_stay_frozen():
    model, inputs = built("mlp")
    began = {name: torch.full_like(tensor, 0.5) for name, tensor in model.named_parameters()}
    next(model.parameters()).requires_grad_(requires_grad=False)
    plan = removable(model, every_other_unit(model, inputs), inputs)
    smaller = without(Trained(model=model, initial=began), plan, inputs)
    shapes = {name: tensor.shape for name, tensor in smaller.model.named_parameters()}
    assert {name: tensor.shape for name, tensor in smaller.initial.items()} == shapes
    learns = [each.requires_grad for each in smaller.model.parameters()]
    assert learns == [each.requires_grad for each in model.parameters()]


def test_a_network_that_cannot_be_followed_is_told():
    class Detached(nn.Module):
        def __init__(self):
            super().__init__()
            self.line = nn.Linear(4, 2)

        def forward(self, inputs):
            return self.line(inputs).detach()

    plan = PrunePlan((PrunedUnit("line", 0, 1.0),))
    with pytest.raises(ModelError, match="torch-pruning cannot follow the network"):
        removable(Detached(), plan, torch.randn(2, 4))


def test_a_repair_without_its_pruned_units_is_smaller_and_keeps_to_its_budget(toy):
    usual = Unlearn(prune=Importance(share=0.4, layers=1.0), budget=0.5)
    silent = usual(toy.trained, toy.observed, streams=Streams(0))
    smaller = replace(usual, remove=True)(toy.trained, toy.observed, streams=Streams(0))
    assert size(smaller.model) < 0.8 * size(silent.model)
    assert smaller.plan.units
    assert smaller.cost.flops == pytest.approx(silent.cost.flops, rel=0.1)
    assert smaller.cost.samples_seen > 1.1 * silent.cost.samples_seen, "cheaper steps are more steps"
