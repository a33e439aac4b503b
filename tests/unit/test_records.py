import dataclasses

import numpy as np
import pytest
import torch

from unchaff.records import Cost, Partition, PrunedUnit, PrunePlan, Trained, Truth


def test_costs_add_up_stage_by_stage():
    score = Cost(1.0, 10, 100.0).as_stage("score")
    tune = Cost(2.0, 20, 200.0).as_stage("fine-tune")
    total = score + tune + score
    assert (total.seconds, total.samples_seen, total.flops) == (4.0, 40, 400.0)
    assert list(total.stages) == ["score", "fine-tune"]
    assert total.stages["score"].samples_seen == 20
    assert sum(stage.flops for stage in total.stages.values()) == total.flops


def test_nothing_costs_nothing():
    cost = Cost(1.0, 10, 100.0).as_stage("score")
    assert cost + Cost() == cost


def test_a_network_and_its_first_weights_are_copied_to_a_device_and_stay_where_they_are():
    model = torch.nn.Linear(3, 2)
    trained = Trained(model=model, initial={"weight": torch.zeros(2, 3)}, pretrained=True)
    copied = trained.copied_to(torch.device("meta"))
    assert {each.device.type for each in copied.model.parameters()} == {"meta"}
    assert copied.initial["weight"].device.type == "meta"
    assert copied.pretrained
    assert {each.device.type for each in model.parameters()} == {"cpu"}
    assert Trained(model=model).copied_to(torch.device("cpu")).initial is None


def partition(quality, kept):
    return Partition(
        ids=np.arange(len(kept)), quality=torch.tensor(quality), kept=torch.tensor(kept, dtype=torch.bool)
    )


def test_a_partition_counts_what_it_keeps():
    split = partition([1.0, 0.0, 0.5, 1.0], [1, 0, 0, 1])
    assert split.kept_ids.tolist() == [0, 3]
    assert split.kept_share == 0.5
    assert split.noise_rate == 0.375


def test_records_are_frozen():
    split = partition([1.0], [1])
    with pytest.raises(dataclasses.FrozenInstanceError):
        split.reason = "changed"


def test_a_plan_is_grouped_by_layer():
    plan = PrunePlan((PrunedUnit("b", 3, 0.1), PrunedUnit("a", 1, 0.2), PrunedUnit("b", 0, 0.3)))
    assert plan.by_layer() == {"b": [0, 3], "a": [1]}


def test_the_truth_is_selected_by_id_in_canonical_order():
    truth = Truth(
        ids=np.array([2, 5, 7]),
        true_label=torch.tensor([0, 1, 2]),
        is_noisy=torch.tensor([False, True, False]),
    )
    part = truth.select(np.array([7, 2]))
    assert part.ids.tolist() == [2, 7]
    assert part.true_label.tolist() == [0, 2]


def test_shapes_are_checked_in_tests():
    with pytest.raises(TypeError, match=r"parameter .kept."):
        Partition(ids=np.arange(3), quality=torch.ones(3), kept=torch.ones(2, dtype=torch.bool))
