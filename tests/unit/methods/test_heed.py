import numpy as np
import pytest
import torch

from unchaff.bench.contenders import FORGETS
from unchaff.bench.controls import chosen
from unchaff.errors import ConfigError
from unchaff.methods import METHODS
from unchaff.methods.heed import heeding
from unchaff.methods.unlearn import Unlearn
from unchaff.partition.recorded import Recorded
from unchaff.partition.transition import Transition
from unchaff.records import Outcome, TrainingRecord

RECORD = TrainingRecord(ids=np.arange(3), margins=torch.zeros(1, 3))


def test_every_split_of_a_method_heeds_the_record_and_keeps_its_settings():
    method = Unlearn(budget=0.5, partition=Transition(threshold=0.8))
    heeds = heeding(method, RECORD)
    assert isinstance(heeds, Unlearn)
    assert heeds.budget == 0.5
    assert heeds.partition == Recorded(record=RECORD, threshold=0.8)
    assert heeds.later == Recorded(record=RECORD)
    assert type(method.partition) is Transition


@pytest.mark.parametrize("name", METHODS)
def test_a_method_heeds_a_record_or_says_that_it_does_not(name):
    if name in {"unlearn", "unlearn-pruned", "retrain-kept", *FORGETS}:
        assert heeding(METHODS[name], RECORD).partition.record is RECORD
    else:
        with pytest.raises(ConfigError, match="makes no use of a record"):
            heeding(METHODS[name], RECORD)


def test_the_same_method_without_the_record_is_a_control():
    outcome = Outcome(model=torch.nn.Linear(1, 1))
    controls = chosen("all", heeding(Unlearn(), RECORD), outcome, None)
    assert controls["unlearn"] == Unlearn()
    assert "unlearn" not in chosen("all", Unlearn(), outcome, None)
