"""Each ablation runs, and what it changes shows."""

import pytest
import torch

from unchaff.bench.ablations import ABLATIONS, EVIDENCE
from unchaff.methods.unlearn import Unlearn
from unchaff.streams import Streams
from unchaff.train.initial import full_cost


def weights(outcome):
    return torch.cat([each.detach().flatten() for each in outcome.model.parameters()])


@pytest.fixture(scope="module", autouse=True)
def many_steps():
    """The toy learns for few steps: with so few, weights would not be shrunk."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("unchaff.methods.finetune.FEW", 0)
        yield


@pytest.fixture(scope="module")
def ours(toy):
    return Unlearn()(toy.trained, toy.observed, streams=Streams(0))


# The one changes buffers, not weights; pictures of eight pixels are never made smaller.
SAME_ON_THE_TOY = {"fresh-statistics", "full-size-only"}


@pytest.mark.parametrize("name", ABLATIONS)
def test_an_ablation_changes_something_at_no_higher_cost(name, toy, ours):
    if "smaller" in name:
        pytest.importorskip("torch_pruning", reason="needs the extra structural")
    outcome = ABLATIONS[name](toy.trained, toy.observed, streams=Streams(0))
    assert torch.isfinite(weights(outcome)).all()
    assert torch.equal(weights(outcome), weights(ours)) == (name in SAME_ON_THE_TOY)
    if "published" not in name:
        full = full_cost(toy.trained, toy.observed.train).flops
        assert outcome.cost.flops <= 1.1 * max(ours.cost.flops, 0.25 * full)


@pytest.mark.parametrize("name", EVIDENCE)
def test_a_piece_of_evidence_ranks_every_sample(name, toy):
    found = EVIDENCE[name](toy.trained, toy.observed, streams=Streams(0))
    assert found.total.shape == found.labels.shape
    assert torch.isfinite(found.total).all()
    assert float(found.total.std()) > 0
