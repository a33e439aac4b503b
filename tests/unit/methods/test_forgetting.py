"""What methods share that are given a split, and what each must win where the split is the truth."""

from dataclasses import replace

import pytest
import torch

from unchaff.bench.contenders import FORGETS, WITH_TRUTH, contender, identity
from unchaff.bench.oracle import KnownSplit, Unjudged
from unchaff.errors import ConfigError, NeedsError
from unchaff.evaluate.accuracy import score
from unchaff.methods import METHODS
from unchaff.records import Partition
from unchaff.streams import Streams


@pytest.mark.parametrize("name", FORGETS)
def test_where_the_split_abstains_the_network_stays_and_a_note_says_why(name, clean_toy):
    outcome = METHODS[name](clean_toy.trained, clean_toy.observed, streams=Streams(0))
    assert outcome.partition.abstained
    assert "nothing to forget" in outcome.notes[0]
    assert "No evidence of noise" in outcome.notes[0]
    for (key, tensor), other in zip(
        clean_toy.trained.model.state_dict().items(), outcome.model.state_dict().values(), strict=True
    ):
        assert torch.equal(tensor, other), key


@pytest.mark.parametrize("name", ["scrub", "neggrad-plus", "sap"])
def test_given_the_true_split_it_beats_the_network_as_it_came(name, learned, told):
    before = score(learned.trained.model, learned.test).accuracy
    outcome = told(METHODS[name], learned.truth)(learned.trained, learned.observed, streams=Streams(0))
    assert before < 0.75, "the network must know wrong labels by heart for this to say anything"
    assert score(outcome.model, learned.test).accuracy > before + 0.02


def test_the_known_split_is_the_truth_in_the_order_of_the_evidence(toy):
    judged = Unjudged()(toy.trained, toy.observed, streams=Streams(0))
    split = KnownSplit(truth=toy.truth)(judged)
    assert split.kept.tolist() == (~toy.truth.is_noisy).tolist()
    assert split.quality.tolist() == split.kept.float().tolist()
    assert torch.equal(split.suggested, toy.truth.true_label)
    assert judged.cost.flops == 0
    assert not split.abstained


@pytest.mark.parametrize("name", WITH_TRUTH)
def test_each_is_also_a_contender_that_is_given_the_truth(name, toy):
    method = contender(name, truth=toy.truth)
    assert type(method) is type(METHODS[name.removesuffix("-oracle")])
    assert method.partition == KnownSplit(truth=toy.truth)
    assert "Truth" not in repr(method), "a name of a row, not the labels of all samples"
    assert identity(name) != identity(name.removesuffix("-oracle"))
    with pytest.raises(NeedsError, match=r"nothing is known to be bad here\. Plant noise"):
        contender(name)
    with pytest.raises(ConfigError, match=f"{name} takes no budget"):
        contender(f"{name}@0.5", truth=toy.truth)


@pytest.mark.parametrize("name", FORGETS)
def test_where_nothing_is_trusted_the_network_stays_and_a_note_says_why(name, toy):
    class Nothing:
        def __call__(self, evidence):
            none = torch.zeros(len(evidence.ids), dtype=torch.bool)
            return Partition(ids=evidence.ids, quality=none.float(), kept=none, reason="All look wrong.")

    method = replace(METHODS[name], attribute=Unjudged(), partition=Nothing())
    outcome = method(toy.trained, toy.observed, streams=Streams(0))
    assert outcome.notes == ("There is nothing kept, so the network is as it was. All look wrong.",)
    for key, tensor in toy.trained.model.state_dict().items():
        assert torch.equal(tensor, outcome.model.state_dict()[key]), key
