"""Where new trainings begin: nothing that was learned is left, and nothing that was not learned is lost."""

from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations

from unchaff.errors import NeedsError
from unchaff.methods import METHODS
from unchaff.methods.beginning import beginning, fresh_copy
from unchaff.streams import Streams


class Attentive(nn.Module):
    """Weights that no `reset_parameters` draws: of attention, of its own, and behind a parametrization."""

    def __init__(self):
        super().__init__()
        self.token = nn.Parameter(torch.randn(1, 1, 8))
        self.layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        self.out = parametrizations.weight_norm(nn.Linear(8, 3))
        self.positions = nn.Parameter(torch.arange(8.0), requires_grad=False)


def learned(model):
    """Move every weight that learns away from where it began."""
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(0.5 * torch.randn_like(parameter))
    return model


def test_a_fresh_copy_keeps_no_weight_and_starts_statistics_anew(toy):
    fresh = fresh_copy(toy.trained.model, streams=Streams(0))
    assert not torch.equal(fresh[3].weight, toy.trained.model[3].weight)
    assert fresh[0][1].num_batches_tracked == 0


def test_attention_own_parameters_and_parametrizations_are_drawn_again():
    model = learned(Attentive())
    fresh = fresh_copy(model, streams=Streams(0))
    kept = [
        name
        for (name, new), old in zip(fresh.named_parameters(), model.parameters(), strict=True)
        if torch.equal(new, old)
    ]
    assert kept == ["positions"], "what does not learn was not learned from these labels"
    again = dict(fresh_copy(model, streams=Streams(0)).named_parameters())
    assert all(torch.equal(each, again[name]) for name, each in fresh.named_parameters())
    other = dict(fresh_copy(model, streams=Streams(1)).named_parameters())
    assert not torch.equal(fresh.token, other["token"])


def test_what_no_module_draws_is_drawn_at_its_own_scale():
    model = Attentive()
    model.token = nn.Parameter(3 + 0.01 * torch.randn(1, 1, 4000))
    fresh = fresh_copy(model, streams=Streams(0)).token.detach()
    assert not torch.equal(fresh, model.token)
    assert float(fresh.mean()) == pytest.approx(3, abs=0.01)
    assert float(fresh.std()) == pytest.approx(0.01, rel=0.1)


def test_a_pretrained_network_begins_where_it_was_pretrained(toy):
    began = {name: torch.full_like(each, 0.1) for name, each in toy.trained.model.state_dict().items()}
    known = replace(toy.trained, pretrained=True, initial=began)
    assert torch.equal(beginning(known, streams=Streams(0))[3].weight, began["3.weight"])
    unknown = replace(known, initial=None)
    with pytest.raises(NeedsError, match="pretrained: it needs the weights from before"):
        METHODS["retrain"](unknown, toy.observed, streams=Streams(0))
