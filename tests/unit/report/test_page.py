import json
import os
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from unchaff.errors import DataError, RunFolderError
from unchaff.evaluate.reviewed import Others, Review
from unchaff.records import Decisions
from unchaff.report.build import view_of
from unchaff.report.page import page, render
from unchaff.report.suspects import Gallery
from unchaff.report.views import Media
from unchaff.runs.read import read
from unchaff.runs.told import told

GOLD = Path(__file__).parents[2] / "gold" / "report"
OUTSIDE = re.compile(r"""(?:https?:)?//[\w.-]+\.\w+|url\((?!["']?#)|@import""")


class Reader(HTMLParser):
    """Collects what a test asks about, and that every element is closed."""

    VOID = frozenset({"meta", "link", "img", "br"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.wrong: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag) -> None:
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)

    def all(self, *tags: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.elements if tag in tags]


def scrubbed(text: str) -> str:
    """Leave out what another version of matplotlib, Pillow or libsndfile writes in other bytes."""
    text = re.sub(r"(<svg[^>]*viewBox=)\"[^\"]*\"", r'\1"..."', text)
    text = re.sub(r"(<svg[^>]*>).*?</svg>", r"\1...</svg>", text, flags=re.DOTALL)
    return re.sub(r"(data:(?:image|audio)/\w+;base64,)[\w+/=]+", r"\1...", text)


@pytest.mark.parametrize("which", ["run", "sounds", "rows"])
def test_the_whole_page(which: str, pages) -> None:
    """To renew: UNCHAFF_RENEW_GOLD=1 pytest tests/unit/report, then look at the difference."""
    found = scrubbed(pages[which])
    file = GOLD / f"{which}.html"
    if os.environ.get("UNCHAFF_RENEW_GOLD"):
        file.write_text(found, encoding="utf-8")
    assert found == file.read_text(encoding="utf-8")


@pytest.mark.parametrize("which", ["run", "sounds", "rows"])
def test_nothing_is_asked_of_the_outside(which: str, pages) -> None:
    text = pages[which]
    assert OUTSIDE.findall(text) == []
    for element in Reader(text).all("img", "audio", "link", "a", "use", "image", "source"):
        for name in ("src", "href"):
            assert (element.get(name) or "#").startswith(("#", "data:")), element
    assert Reader(text).all("script", "iframe", "object", "embed") == []
    assert "default-src 'none'" in text


def test_the_search_for_outside_names_finds_them() -> None:
    for text in ("https://example.org/x.js", '"//cdn.example.org"', "url(image.png)", "@import 'a.css'"):
        assert OUTSIDE.search(text), text


@pytest.mark.parametrize("which", ["run", "sounds", "rows"])
def test_the_page_is_well_formed(which: str, pages) -> None:
    reader = Reader(pages[which])
    assert (reader.wrong, reader.open) == ([], [])
    ids = [element["id"] for _, element in reader.elements if "id" in element]
    assert len(ids) == len(set(ids))
    wanted = {(element.get("href") or "")[1:] for element in reader.all("a", "use")}
    assert wanted <= set(ids)


def test_people_who_cannot_see_are_told(pages) -> None:
    reader = Reader(pages["sounds"])
    assert all(image["alt"] for image in reader.all("img"))
    assert all(sound["aria-label"] and "controls" in sound for sound in reader.all("audio"))
    drawn = reader.all("svg")
    assert len(drawn) == 7
    assert all(chart["role"] == "img" and chart["aria-label"] for chart in drawn)
    for landmark in ("header", "main", "nav", "footer"):
        assert len(reader.all(landmark)) == 1
    assert len(reader.all("h1")) == 1


def test_names_are_text_and_never_markup(named, page_of) -> None:
    evil = "<script>alert(1)</script>"
    run = named((evil, 'a" onerror="x', "$x^2$ & co"))
    control = run.measured.controls["oracle"]
    measured = replace(run.measured, controls={evil: control, "</svg><b>": control})
    text = page_of(replace(run, measured=measured, command=evil, notes=(evil,)))
    reader = Reader(text)
    assert reader.all("script", "b") == []
    assert not [element for _, element in reader.elements if "onerror" in element]
    assert (reader.wrong, reader.open) == ([], [])
    assert "&lt;script&gt;" in text


TURNING = "\u202e\u05d3\u05d2 cat"  # all that follows it on a line reads backwards
UNSEEN = re.compile("[\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff]")


def test_no_name_turns_around_the_words_beside_it(named, page_of) -> None:
    run = named((TURNING, "\u2066dog\u200b", "owl"))
    split = replace(
        run.outcome.partition, ids=np.asarray([f"{place:02}\u202egpj.png" for place in range(60)])
    )
    control = run.measured.controls["oracle"]
    run = replace(
        run,
        samples=replace(run.samples, ids=split.ids),
        outcome=replace(run.outcome, partition=split),
        trained=replace(run.trained, record=replace(run.trained.record, ids=split.ids)),
        measured=replace(run.measured, controls={TURNING: control}),
        command=TURNING,
        notes=(TURNING,),
    )
    text = page_of(run)
    assert UNSEEN.findall(text) == []
    assert "its label, \\u202e\u05d3\u05d2 cat, less" in text
    assert "\\u202e\u05d3\u05d2 cat (" in text  # and how many look like it
    assert 'alt="Picture labelled \\u202e' in text
    assert "<bdi>00\\u202egpj.png</bdi>" in text


def test_a_text_keeps_its_lines(run, told_of) -> None:
    view = view_of(told_of(run), Gallery(None))
    written = replace(view.suspects[0], media=Media(text="one\ntwo & three"))
    assert "one\ntwo &amp; three</blockquote>" in render(replace(view, suspects=(written,)))


def test_the_page_stays_small(pages) -> None:
    assert len(pages["sounds"]) < 10_000_000


def test_colours_follow_the_reader(pages) -> None:
    text = pages["run"]
    assert "prefers-color-scheme: dark" in text
    drawn = "".join(re.findall(r"<svg.*?</svg>", text, flags=re.DOTALL))
    assert "var(--good)" in drawn
    assert re.findall(r"#0[1-6]0[1-6]0[1-6]\b", drawn) == []


def test_same_run_same_page(run, pages, page_of) -> None:
    assert page_of(run) == pages["run"]


def test_a_method_without_a_split_has_a_page(run, remeasured, page_of) -> None:
    plain = replace(
        remeasured(detection=None, calibration=None, curve=None, controls={}, full=None),
        outcome=replace(run.outcome, partition=None, plan=None),
    )
    text = page_of(plain)
    assert "This method does not judge single samples." in text
    assert "No unit was silenced." in text
    assert 'id="detection"' not in text


def test_scoring_alone_has_a_page(remeasured, page_of) -> None:
    text = page_of(remeasured(after=None, controls={}))
    assert "the network was left as it was" in text
    assert "repaired" not in text


ORDER = (
    "verdict", "comparison", "noise", "split", "price", "detection", "learned", "suspects", "pruned", "cost",
    "limits", "replay",
)  # fmt: skip


def test_sections_come_in_the_order_of_questions(pages) -> None:
    assert tuple(each["id"] for each in Reader(pages["run"]).all("section")) == ORDER
    linked = [each["href"] for each in Reader(pages["run"]).all("a")][1:]
    assert linked == [f"#{name}" for name in ORDER[1:]]


def test_numbers_of_charts_stand_in_tables_too(pages) -> None:
    text = pages["run"]
    for title in ("Quality and split", "Found against inspected", "ROC curve", "Calibration", "Data map"):
        assert f"<h3>{title}</h3>" in text
        assert f'<span class="unseen"> of {title}</span>' in text


def test_the_line_and_the_mixture_are_drawn_where_there_are_some(run, pages, page_of) -> None:
    assert "kept above 0.3</text>" in pages["run"]
    assert "The fitted mixture" not in pages["run"]
    assert "<h3>The fitted mixture</h3>" in pages["rows"]
    split = replace(run.outcome.partition, threshold=None)
    text = page_of(replace(run, outcome=replace(run.outcome, partition=split)))
    assert "kept above" not in text
    assert "draws no single line through quality" in text


def test_pruned_units_are_shown_with_what_drove_them(pages) -> None:
    text = pages["run"]
    assert text.index("<h3>Unit 1 of layer first") < text.index("<h3>Unit 3 of layer first")  # the stronger
    assert text.count("<dt>active</dt>") == 12


def test_a_training_that_was_not_recorded_has_no_map(run, page_of) -> None:
    assert 'id="learned"' not in page_of(replace(run, trained=replace(run.trained, record=None)))


def test_samples_that_are_gone_are_named_and_not_shown(run, told_of) -> None:
    text = page(told_of(run), None, "the data were moved.")
    assert "Samples are named and not shown: the data were moved." in text
    assert Reader(text).all("img") == []
    assert text.count("<dt>id</dt>") == 50 + 12


def test_samples_that_vanish_while_they_are_shown_cost_no_page(run, told_of, monkeypatch) -> None:
    def gone(*_: object) -> None:
        raise DataError("There is no file a.png. Give the data back.")

    told = told_of(run)
    monkeypatch.setattr(type(run.samples.source), "raw", gone)
    assert "Samples are named and not shown: There is no file a.png." in page(told, run.samples)


@pytest.fixture(scope="module")
def decided(run, remeasured):
    """The run after a person dropped the three worst samples, kept one and relabelled one."""
    worst = np.argsort(run.outcome.partition.quality.numpy())[:5]
    rows, given = np.sort(worst), run.samples.labels.numpy()
    kept, changed = np.isin(rows, worst[3:]), rows == worst[4]
    decisions = Decisions(
        ids=rows,
        kept=kept,
        labels=np.where(changed, (given[rows] + 1) % 3, given[rows]),
        given=given[rows],
        quality=np.full(5, 0.1),
    )
    others = Others(number=55, noise_before=0.51, noise_after=0.48, kept_now=1, set_aside_now=6)
    review = Review(
        run="runs/first",
        kept=1,
        dropped=3,
        relabelled=1,
        sha256="0123456789abcdef" * 4,
        accuracy_before=0.875,
        noise_before=0.55,
        others=others,
    )
    return replace(remeasured(review=review), decisions=decisions, notes=review.said)


def test_what_a_review_changed_is_told_once_and_near_the_top(decided, page_of) -> None:
    text = page_of(decided).replace("\u00a0", " ")
    assert tuple(each["id"] for each in Reader(text).all("section")) == (ORDER[0], "review", *ORDER[1:])
    assert text.count("A person decided about 5 samples of runs/first: 1 kept, 3 dropped, 1 relabelled.") == 1
    assert text.count("1 of them came to be kept, 6 to be set aside.") == 1
    assert '>accuracy</th><td class="num">87.5 %</td><td class="num strong">90.0 %</td>' in text
    assert '<td class="num">55.0 %</td><td class="num strong">50.8 %</td>' in text
    assert "A person decided about 5 of them" in text  # where the noise is told
    assert "<dt>Decided by a person</dt>" in text
    assert "with the same decisions" in text
    assert "5, 0123456789ab" in text


def test_what_a_person_decided_is_no_suspect(decided, told_of) -> None:
    told = told_of(decided)
    assert told.decided.sum() == 5
    suspects = view_of(told, Gallery(None)).suspects
    assert len(suspects) == 50
    assert not {each.id for each in suspects} & set(map(str, decided.decisions.ids))


def test_a_class_of_which_little_is_kept_is_named(run, page_of) -> None:
    kept = run.outcome.partition.kept & (run.samples.labels != 0)
    split = replace(run.outcome.partition, kept=kept)
    text = page_of(replace(run, outcome=replace(run.outcome, partition=split)))
    assert "Of the samples labelled &#39;cat&#39; only 0.0% are kept" in text


@pytest.mark.parametrize(
    ("file", "change"),
    [
        ("metrics.json", {"before": {"accuracy": 1}}),
        ("metrics.json", {"calibration": {"error": 1}}),
        ("plan.json", {"units": [{"layer": "a"}]}),
        ("plan.json", {"driven": [1]}),
        ("manifest.json", {"notes": 3}),
    ],
)
def test_files_that_say_it_otherwise_are_named(run, folder_of, file, change) -> None:
    folder = folder_of(run).path
    content = json.loads((folder / file).read_text())
    (folder / file).write_text(json.dumps({**content, **change}))
    with pytest.raises(RunFolderError, match=f"{file} says in another way"):
        told(read(folder))


def _contrast(one: str, other: str) -> float:
    def light(colour: str) -> float:
        parts = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((light(one), light(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_marks_of_charts_are_not_as_faint_as_the_grid(pages) -> None:
    drawn = re.findall(r"<svg.*?</svg>", pages["rows"], flags=re.DOTALL)
    marked = [chart for chart in drawn if re.search(r'id="(calibration|mixture)-', chart)]
    assert len(marked) == 2
    for chart in marked:
        assert "fill: var(--line)" not in chart
        assert "stroke: var(--line); stroke-width: 1.2" not in chart


def test_every_colour_of_text_has_contrast(pages) -> None:
    themes = re.findall(r":root \{([^}]*)\}", pages["run"])
    assert len(themes) == 2
    for theme in themes:
        colours = dict(re.findall(r"--(\w+): (#\w{6})", theme))
        for text in ("ink", "muted", "good", "bad", "plain"):
            for ground in ("paper", "card", "tint"):
                assert _contrast(colours[text], colours[ground]) >= 4.5, (text, ground)
