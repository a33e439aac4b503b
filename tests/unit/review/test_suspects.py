import numpy as np
import pyarrow as pa
import pytest
import torch

from unchaff.partition.bins import NUM_BINS, bins_of
from unchaff.records import Partition
from unchaff.report.reasons import Ranks
from unchaff.review.store import Answer
from unchaff.review.suspects import Asked, Suspects


def table(count, ids=None):
    draw = np.random.default_rng(0)
    quality = draw.random(count).astype("f4")
    return pa.table(
        {
            "id": pa.array(np.arange(count)) if ids is None else ids,
            "label": draw.integers(0, 20, count),
            "predicted": draw.integers(0, 20, count),
            "suggested_label": draw.integers(0, 20, count),
            "quality": quality,
            "kept": quality > 0.65,
            "readout": draw.normal(size=count).astype("f4"),
        }
    )


def answer(id_, kind="keep"):
    return Answer(id=id_, kind=kind, label=1 if kind == "relabel" else None, given=0, quality=None)


@pytest.fixture(scope="module")
def large():
    return Suspects(table(1_000_000))


ASKED = {
    "rejected": Asked(),
    "kept": Asked(split="kept"),
    "a class": Asked(given=3, split="all"),
    "a suggestion": Asked(suggested=4),
    "both": Asked(given=3, suggested=4, split="all"),
    "quality": Asked(low=0.25, high=0.5, split="all"),
    "id": Asked(text="4321", split="all"),
}


@pytest.mark.parametrize("name", ASKED)
def test_of_a_million_rows_those_asked_for_are_found_worst_first(large, name):
    asked = ASKED[name]
    rows = large.rows(asked)
    slowly = [
        asked.low <= quality <= asked.high
        and asked.given in (None, given)
        and asked.suggested in (None, suggested)
        and (asked.split == "all" or kept == (asked.split == "kept"))
        and (not asked.text or asked.text in str(row))
        for row, (quality, given, suggested, kept) in enumerate(
            zip(
                large.quality.tolist(),
                large.labels.tolist(),
                large.suggested.tolist(),
                large.kept.tolist(),
                strict=True,
            )
        )
    ]
    assert set(rows.tolist()) == set(np.flatnonzero(slowly).tolist())
    if asked.text:
        assert large.ids[rows[0]] == int(asked.text), "the very id comes first"
    assert (np.diff(large.quality[rows[bool(asked.text) :]]) >= 0).all()
    assert len(rows)


def test_search_does_not_mind_case_nor_take_a_pattern():
    suspects = Suspects(table(3, pa.array(["Cat/A.png", "cat%b", "dog.c"])))
    for text, expected in (("CAT", {0, 1}), ("%", {1}), (".", {0, 2}), (".*", set())):
        assert set(suspects.rows(Asked(text=text, split="all")).tolist()) == expected


@pytest.mark.parametrize("order", ["worst", "informative", "best", "id"])
def test_the_sample_of_this_very_id_comes_first(order):
    suspects = Suspects(table(4, pa.array(["cat/242.png", "2420", "Ab242", "242"])))
    found = suspects.rows(Asked(text="242", split="all", order=order)).tolist()
    assert found[0] == 3
    assert sorted(found) == [0, 1, 2, 3]
    assert suspects.rows(Asked(text="aB242", split="all", order=order)).tolist() == [2]
    assert 3 not in suspects.rows(Asked(text="242", split="all", high=-1.0, order=order))


def test_decided_and_undecided_are_told_apart():
    suspects = Suspects(table(50))
    changed = suspects.take([answer(3), answer(7, "drop"), answer(999)])
    assert changed == [3, 7]
    assert suspects.unknown == {999}
    assert set(suspects.rows(Asked(state="decided", split="all")).tolist()) == {3, 7}
    suspects.take([answer(3, "open")])
    assert set(suspects.rows(Asked(state="decided", split="all")).tolist()) == {7}
    assert len(suspects.rows(Asked(state="undecided", split="all"))) == 49


def test_progress_counts_suspects_and_what_they_turned_out_to_be():
    suspects = Suspects(table(50))
    rejected, kept = np.flatnonzero(~suspects.kept).tolist(), np.flatnonzero(suspects.kept).tolist()
    assert suspects.progress().interval is None
    suspects.take([answer(rejected[0]), answer(rejected[1], "drop"), answer(rejected[2], "relabel")])
    suspects.take([answer(kept[0], "drop")])
    progress = suspects.progress()
    assert (progress.suspects, progress.reviewed, progress.wrong, progress.decided) == (
        len(rejected),
        3,
        2,
        4,
    )
    low, high = progress.interval
    assert 0 < low < 2 / 3 < high < 1


def test_the_most_informative_samples_fill_each_bin_in_turn(large):
    first = large.rows(Asked(order="informative", split="all"))[: 5 * NUM_BINS]
    assert np.bincount(bins_of(large.quality[first]), minlength=NUM_BINS).tolist() == [5] * NUM_BINS
    assert abs(large.quality[first[0]] - 0.5) < 0.15, "the most doubtful bin comes first"


def test_a_bin_with_answers_waits_for_the_others():
    suspects = Suspects(table(2_000))
    middle = np.flatnonzero(bins_of(suspects.quality) == 7)
    suspects.take([answer(int(row)) for row in middle[:4]])
    first = suspects.rows(Asked(order="informative", state="undecided", split="all"))[:8]
    assert 7 not in bins_of(suspects.quality[first])


@pytest.mark.parametrize("threshold", [None, 0.65])
def test_ties_are_ordered_as_in_the_report(threshold):
    draw, count = np.random.default_rng(0), 300
    evidence = {name: draw.normal(size=count).astype("f4") for name in ("typicality", "margin")}
    evidence["margin"][::7] = np.nan
    quality = np.repeat([1.0, 0.2, 1.0], 100).astype("f4")
    quality[50] = 0.5
    rows = table(count).set_column(4, "quality", pa.array(quality))
    for name, values in evidence.items():
        rows = rows.append_column(name, pa.array(values))
    rows = rows.drop_columns(["readout"])
    split = Partition(
        ids=np.arange(count),
        quality=torch.from_numpy(quality),
        kept=torch.ones(count, dtype=torch.bool),
        evidence={name: torch.from_numpy(values) for name, values in evidence.items()},
        threshold=threshold,
    )
    found = Suspects(rows, threshold).rows(Asked(split="all"))
    assert found.tolist() == np.lexsort((Ranks.of(split).standing(range(count)), quality)).tolist()


def test_a_table_without_rows_has_an_order():
    assert len(Suspects(table(0)).rows(Asked(split="all"))) == 0


def test_evidence_is_compared_with_all_samples():
    suspects = Suspects(table(1_000))
    values = suspects.ranks.evidence["readout"]
    assert suspects.below(int(values.argmin())) == {"readout": 0}
    assert suspects.below(int(values.argmax())) == {"readout": pytest.approx(0.999)}
