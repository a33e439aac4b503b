from dataclasses import replace

import torch

from unchaff.report.suspects import by_class, worst


def test_lowest_quality_first_and_at_most_fifty(run) -> None:
    found = worst(run)
    assert len(found) == 50
    assert [each.quality for each in found] == sorted(each.quality for each in found)
    assert (found[0].id, found[0].given, found[0].suggested) == ("0", "cat", "dog")
    assert found[0].evidence == (("readout", "\u22122.00"),)


def test_ties_are_ordered_by_id(run) -> None:
    split = replace(run.outcome.partition, quality=torch.ones(60))
    found = worst(replace(run, outcome=replace(run.outcome, partition=split)))
    assert [each.id for each in found[:3]] == ["0", "1", "2"]


def test_classes_add_up(run) -> None:
    found = by_class(run)
    assert [row.count for row in found] == [20, 20, 20]
    assert sum(row.kept for row in found) == int(run.outcome.partition.kept.sum())
    assert all(row.kept + row.rejected == row.count for row in found)
    assert found[0].confusion == f"dog ({found[0].rejected})"
