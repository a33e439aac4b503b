from dataclasses import replace

import numpy as np
import torch

from unchaff.records import Partition
from unchaff.report.build import facts
from unchaff.report.reasons import reasons
from unchaff.report.suspects import Gallery, suspects_sentence, worst
from unchaff.report.tables import classes


def test_lowest_quality_first_and_at_most_fifty(run, told_of) -> None:
    found = worst(told_of(run), Gallery(run.samples))
    assert len(found) == 50
    assert [each.quality for each in found] == sorted(each.quality for each in found)
    assert (found[0].id, found[0].given, found[0].suggested) == ("0", "cat", "dog")
    assert found[0].evidence[0] == ("readout", "\u22122.00")


def test_ties_are_ordered_by_the_evidence_then_by_id(run, told_of) -> None:
    def tied(evidence: dict[str, torch.Tensor]) -> list[str]:
        split = replace(run.outcome.partition, quality=torch.ones(60), evidence=evidence)
        told = told_of(replace(run, outcome=replace(run.outcome, partition=split)))
        return [each.id for each in worst(told, Gallery(None))[:3]]

    assert tied({"readout": -torch.arange(60).float()}) == ["59", "58", "57"]
    assert tied({}) == ["0", "1", "2"]


def test_none_is_listed_where_a_person_decided_about_all(run, told_of) -> None:
    told = replace(told_of(run), decided=np.ones(60, dtype=np.bool_))
    assert worst(told, Gallery(None)) == ()


def test_few_are_listed_where_nothing_stands_out(run, told_of) -> None:
    split = replace(run.outcome.partition, abstained=True)
    told = told_of(replace(run, outcome=replace(run.outcome, partition=split)))
    assert len(worst(told, Gallery(None))) == 6
    assert suspects_sentence(told, 6).startswith("No sample stands out")
    assert facts(told)[0].name == "Accuracy"


def test_what_the_noise_is_of_is_said(run, told_of) -> None:
    def said(threshold: float | None) -> str:
        split = replace(run.outcome.partition, threshold=threshold)
        found = facts(told_of(replace(run, outcome=replace(run.outcome, partition=split))))
        return next(fact.note for fact in found if fact.name == "Estimated noise")

    assert said(0.3) == "of the labels"
    assert said(None).startswith("of the samples")


def test_what_is_lower_in_a_third_of_all_is_no_evidence() -> None:
    split = _split(readout=[float(value) for value in range(30)])
    assert reasons(split, [10], ["cat"]) == ["no single piece of evidence stands out"]


def test_classes_add_up(run, told_of) -> None:
    found = classes(told_of(run))
    assert [row[1] for row in found.rows] == ["20", "20", "20"]
    assert sum(int(row[2]) for row in found.rows) == int(run.outcome.partition.kept.sum())
    assert all(int(row[2]) + int(row[3]) == int(row[1]) for row in found.rows)
    assert found.rows[0][5] == f"dog ({found.rows[0][3]})"


def test_the_likeliest_confusions_are_named_most_frequent_first(run, told_of) -> None:
    cats = (run.samples.labels == 0).nonzero().squeeze(1)[:3]
    kept, suggested = torch.ones(60, dtype=torch.bool), run.samples.labels.clone()
    kept[cats], suggested[cats] = False, torch.tensor([2, 1, 2])
    split = replace(run.outcome.partition, kept=kept, suggested=suggested)
    found = classes(told_of(replace(run, outcome=replace(run.outcome, partition=split))))
    assert found.rows[0][5] == "owl (2), dog (1)"


def _split(threshold: float | None = 0.5, **evidence: list[float]) -> Partition:
    columns = {name: torch.tensor(values) for name, values in evidence.items()}
    quality = torch.linspace(0, 1, len(next(iter(columns.values()))))
    ids = torch.arange(len(quality)).numpy()
    return Partition(ids=ids, quality=quality, kept=quality > 0.5, evidence=columns, threshold=threshold)


def test_the_evidence_that_is_lowest_beside_others_is_named() -> None:
    split = _split(readout=[5.0, 1, 2, 3], own_log_probability=[-9.0, -2, -3, -4])
    said = reasons(split, [0, 1], ["cat", "dog"])
    assert said[0] == "the network finds its label, cat, less probable than any other sample"
    assert said[1] == "what the layers read shows its label, dog, less clearly than any other sample"


def test_a_share_is_never_rounded_up_to_all() -> None:
    split = _split(readout=[float(value) for value in range(3000)])
    assert "than 99.9" in reasons(split, [1], ["cat"])[0]


def test_evidence_of_inputs_is_named_only_where_inputs_were_judged() -> None:
    columns = {"readout": [1.0, 0, 2, 3], "typicality": [-9.0, 1, 2, 3]}
    assert "unlike the others" not in reasons(_split(0.5, **columns), [0], ["cat"])[0]
    assert "unlike the others" in reasons(_split(None, **columns), [0], ["cat"])[0]


def test_evidence_that_is_missing_or_high_is_said() -> None:
    split = _split(first_readout=[float("nan"), 3.0, 2.0, 1.0])
    assert reasons(split, [0], ["cat"]) == ["no evidence was taken down for it"]
    assert reasons(split, [1], ["cat"]) == ["no single piece of evidence stands out"]
    assert reasons(split, [3], ["cat"])[0].startswith("before any repair, what the layers read")
