"""A suite is made row by row, and no row twice."""

from dataclasses import replace

import pytest

from unchaff.bench import contenders, detectors, suite
from unchaff.bench.rows import Results
from unchaff.bench.settings import Place
from unchaff.bench.suites import SUITES
from unchaff.errors import ConfigError, DataError
from unchaff.methods import METHODS
from unchaff.noise import NOISES


@pytest.fixture
def place(tmp_path):
    return Place(networks=tmp_path / "networks", device="cpu")


@pytest.mark.parametrize("name", SUITES)
def test_every_name_in_a_suite_means_something(name):
    settings = SUITES[name]
    assert len({setting.name for setting in settings}) == len(settings)
    for setting in settings:
        assert setting.contenders[0] == "nothing", "the others are compared with the network as it came"
        for each in setting.contenders:
            assert contenders.identity(each)
        for each in setting.detectors:
            assert detectors.detector(each)
        for part in setting.noise.split("+"):
            assert part.partition(":")[0] in {*NOISES, "human", "none"}
        assert set(setting.ranges) <= set(setting.contenders)


def test_keys_tell_every_row_of_every_suite_apart():
    todo = [each for settings in SUITES.values() for each in suite.planned(settings)]
    names = {(str(each), each.is_detector) for each in todo}
    assert len({each.key for each in todo}) == len(names)


@pytest.mark.parametrize(
    "change", [{"epochs": 5}, {"noise": "symmetric:0.31"}, {"augment": True}, {"rows": 299}]
)
def test_another_ground_is_another_row(tiny, change):
    one, other = (suite.planned([each])[0].key for each in (tiny, replace(tiny, **change)))
    assert one != other


def test_a_name_alone_is_no_other_row(tiny):
    one, other = (suite.planned([each])[0].key for each in (tiny, replace(tiny, name="x", seeds=(0,))))
    assert one == other


def test_only_chooses_by_setting_name_and_seed(tiny):
    assert [str(each) for each in suite.planned([tiny], only=r"/(oracle|readout)/1$")] == [
        "tiny/oracle/1",
        "tiny/readout/1",
    ]
    assert {each.seed for each in suite.planned([tiny], seeds=[7])} == {7}


@pytest.mark.parametrize(("only", "message"), [("(", "no regular expression"), ("nix", "leaves no row")])
def test_a_choice_of_nothing_is_refused(tiny, only, message):
    with pytest.raises(ConfigError, match=message):
        suite.planned([tiny], only=only)


def test_a_stopped_suite_goes_on_where_it_stopped_and_gives_the_same(tiny, place, tmp_path):
    todo = suite.planned([tiny], seeds=[0])
    file = tmp_path / "results.jsonl"
    first = suite.run(todo, Results(file), place)
    made = [next(first).name for _ in range(3)]
    first.close()
    with file.open("a") as stopped:
        stopped.write('{"key": "cut sho')
    later = [row.name for row in suite.run(todo, Results(file), place)]
    assert made + later == [
        "nothing",
        "unlearn@0.25",
        "random-subset@0.25",
        "oracle",
        "final-loss",
        "readout",
    ]
    assert list(suite.run(todo, Results(file), place)) == []
    assert len(list(place.networks.iterdir())) == 1, "one network for all rows of a ground"

    fresh = Place(networks=tmp_path / "others", device="cpu")
    list(suite.run(todo, Results(tmp_path / "again.jsonl"), fresh))
    again = Results(tmp_path / "again.jsonl")
    for key, row in Results(file).rows.items():
        other = again.rows[key]
        assert (row.scores, row.detection, row.flops, row.kept_share) == (
            other.scores, other.detection, other.flops, other.kept_share,
        ), row.name  # fmt: skip


def test_no_row_is_begun_when_the_time_is_up(tiny, place, tmp_path):
    ticks = iter(range(0, 1000, 40))
    todo = suite.planned([tiny], seeds=[0], only="nothing|final-loss|readout")
    rows = suite.run(todo, Results(tmp_path / "r.jsonl"), place, minutes=1, clock=lambda: next(ticks))
    assert [row.name for row in rows] == ["nothing"]


def test_what_makes_no_sense_on_a_ground_is_a_row_that_says_so(tiny, place, tmp_path):
    clean = replace(tiny, noise="none")
    rows = suite.run(suite.planned([clean], seeds=[0], only="oracle"), Results(tmp_path / "r"), place)
    (row,) = rows
    assert not row.applies
    assert "Plant noise" in row.notes[0]


def test_a_random_subset_needs_to_know_how_many(tiny, place, tmp_path):
    rows = suite.run(suite.planned([tiny], seeds=[0], only="random"), Results(tmp_path / "r"), place)
    with pytest.raises(ConfigError, match=r"needs tiny/unlearn@0.25/0 first"):
        next(rows)


def test_a_pack_that_is_not_given_is_named(tiny, place, tmp_path):
    other = replace(tiny, data="cifar10")
    with pytest.raises(DataError, match=r"needs the data pack cifar10\. Give --packs"):
        next(suite.run(suite.planned([other]), Results(tmp_path / "r"), place))


def test_lines_that_are_no_rows_are_refused(tmp_path):
    file = tmp_path / "results.jsonl"
    file.write_text('{"other": 1}\n{"key": "a"}\n')
    with pytest.raises(DataError, match=r"Line 1 of .* is no result"):
        Results(file)


@pytest.mark.parametrize(
    ("name", "message"),
    [("nix", "no contender 'nix'"), ("unlearn@x", "NAME@BUDGET"), ("nothing@0.2", "takes no budget")],
)
def test_a_contender_that_is_none_is_named(name, message):
    with pytest.raises(ConfigError, match=message):
        contenders.contender(name)


def test_every_method_can_be_a_contender():
    assert all(contenders.contender(name) == method for name, method in METHODS.items())


def test_a_detector_that_is_none_is_named():
    with pytest.raises(ConfigError, match="no detector 'nix'"):
        detectors.detector("nix")
