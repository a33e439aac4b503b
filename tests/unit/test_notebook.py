"""What a notebook shows of `unchaff.repair` and `unchaff.score`, and what a plain prompt does."""

import re
from html.parser import HTMLParser

import pytest
import torch

import unchaff
from unchaff.methods import METHODS
from unchaff.nets.build import build
from unchaff.records import Outcome, Partition
from unchaff.streams import Streams

HOSTILE = ("<script>alert(1)</script>", "a\"'&amp;\n\u202e", "\U0001f9ea")
TESTED = METHODS["finetune-all"]


def rows_of(count, names=("a", "b", "c"), seed=0):
    labels = torch.arange(count) % 3
    inputs = (
        torch.randn(count, 6, generator=torch.Generator().manual_seed(seed)) + 2 * torch.eye(3, 6)[labels]
    )
    return unchaff.from_arrays(inputs, labels, class_names=list(names))


@pytest.fixture(scope="module")
def rows():
    return rows_of(120)


@pytest.fixture(scope="module")
def model(rows):
    return build("mlp", rows, streams=Streams(0))


class Page(HTMLParser):
    """The tags of a page, whether they are closed in order, and its text."""

    ALONE = frozenset({"path", "use", "rect", "br"})

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.attributes, self.text = [], set(), [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes += attrs
        self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def test_an_outcome_shows_tables_and_the_histogram(model, rows):
    page = Page(unchaff.repair(model, rows)._repr_html_())
    assert page.open == []
    assert {"table", "svg", "figure", "style"} <= page.tags
    for expected in (
        "There is nothing to repair",
        "Estimated noise",
        "Kept",
        "Cost",
        "set aside look most like",
        "quality",
    ):
        assert expected in page.text, expected
    assert "95 % interval" not in page.text


def test_a_hold_out_is_measured_once_and_shown(model, rows, monkeypatch):
    outcome = unchaff.repair(model, rows, method=TESTED, holdout=rows_of(30, seed=1))
    calls = []
    monkeypatch.setattr("unchaff.repaired.score", lambda *given: calls.append(given) or measure(*given))
    page = Page(outcome._repr_html_())
    outcome._repr_html_()
    assert len(calls) == 2
    assert "Measured on: holdout" in page.text
    before, after = re.findall(r"(?:before|repaired)(\d+\.\d)", page.text)
    assert float(before) == round(100 * outcome.measured.before.accuracy, 1)
    assert float(after) == round(100 * outcome.measured.after.accuracy, 1)


def measure(*given):
    from unchaff.evaluate.accuracy import score

    return score(*given)


def test_what_was_saved_last_is_shown(model, rows, tmp_path):
    outcome = unchaff.repair(model, rows, method=TESTED, holdout=rows_of(30, seed=1))
    outcome.save(tmp_path / "run", test=rows_of(60, seed=2))
    assert outcome.measured.before.n == 60
    assert "Measured on: test" in outcome._repr_html_()
    outcome.save(tmp_path / "run", overwrite=True)
    assert outcome.measured.before.n == 30


def test_a_score_shows_the_same_without_networks(model, rows):
    split = unchaff.score(model, rows)
    assert isinstance(split, Partition)
    page = Page(split._repr_html_())
    assert split.reason in page.text
    assert "Estimated noise" in page.text
    assert "svg" in page.tags
    assert "repaired" not in page.text


def test_names_are_text_and_nobody_is_asked(model):
    rows = rows_of(120, HOSTILE)
    for shown in (unchaff.repair(model, rows), unchaff.score(model, rows)):
        page = Page(shown._repr_html_())
        assert page.open == []
        assert "script" not in page.tags
        assert HOSTILE[0] in page.text
        assert HOSTILE[2] in page.text
        assert "\u202e" not in page.text
        for name, value in page.attributes:
            assert not name.startswith("on")
            assert name not in {"src", "href", "xlink:href"} or value.startswith("#")
        assert not re.search(r"url\((?!#)|@import|https?:", shown._repr_html_())


def test_many_classes_are_cut_short():
    names = [f"class {number}" for number in range(30)]
    inputs = torch.randn(300, 6, generator=torch.Generator().manual_seed(0))
    rows = unchaff.from_arrays(inputs, torch.arange(300) % 30, class_names=names)
    page = Page(unchaff.score(build("mlp", rows, streams=Streams(0)), rows)._repr_html_())
    assert "The 20 classes of which most is set aside; 10 more" in page.text
    assert page.text.count("class ") <= 22


def test_a_method_that_judges_nothing_is_shown_too(model, rows):
    outcome = unchaff.repair(model, rows, method=METHODS["nothing"])
    page = Page(outcome._repr_html_())
    assert "The network was repaired, and nothing was measured." in page.text
    assert "svg" not in page.tags
    assert "no sample judged" in repr(outcome)


def test_at_a_prompt_they_are_one_short_line(model, rows):
    outcome, split = unchaff.repair(model, rows), unchaff.score(model, rows)
    assert re.fullmatch(r"Scored\(120 samples, \d+\.\d% kept, noise rate \d+\.\d%\)", repr(split))
    assert re.fullmatch(r"Repaired\(Sequential, Partition\(120 samples, .*\), \d+\.\d s\)", str(outcome))
    plain = Outcome(
        model=model, partition=Partition(**{name: vars(split)[name] for name in ("ids", "quality", "kept")})
    )
    assert re.fullmatch(r"Outcome\(Sequential, Partition\(120 samples, .*\), 0\.0 s\)", repr(plain))
