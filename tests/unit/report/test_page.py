import os
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from unchaff.report.page import page

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
    assert len(drawn) == 4
    assert all(chart["role"] == "img" and chart["aria-label"] for chart in drawn)
    for landmark in ("header", "main", "nav", "footer"):
        assert len(reader.all(landmark)) == 1
    assert len(reader.all("h1")) == 1


def test_names_are_text_and_never_markup(named, manifest) -> None:
    evil = "<script>alert(1)</script>"
    run = named((evil, 'a" onerror="x', "$x^2$ & co"))
    control = run.measured.controls["oracle"]
    measured = replace(run.measured, controls={evil: control, "</svg><b>": control})
    text = page(replace(run, measured=measured, command=evil, notes=(evil,)), manifest)
    reader = Reader(text)
    assert reader.all("script", "b") == []
    assert not [element for _, element in reader.elements if "onerror" in element]
    assert (reader.wrong, reader.open) == ([], [])
    assert "&lt;script&gt;" in text


def test_the_page_stays_small(pages) -> None:
    assert len(pages["sounds"]) < 10_000_000


def test_colours_follow_the_reader(pages) -> None:
    text = pages["run"]
    assert "prefers-color-scheme: dark" in text
    drawn = "".join(re.findall(r"<svg.*?</svg>", text, flags=re.DOTALL))
    assert "var(--good)" in drawn
    assert re.findall(r"#0[1-6]0[1-6]0[1-6]\b", drawn) == []


def test_same_run_same_page(run, pages, manifest) -> None:
    assert page(run, manifest) == pages["run"]


def test_a_method_without_a_split_has_a_page(run, remeasured, manifest) -> None:
    plain = replace(
        remeasured(detection=None, calibration=None, controls={}, full=None),
        outcome=replace(run.outcome, partition=None, plan=None),
    )
    text = page(plain, manifest)
    assert "This method does not judge single samples." in text
    assert "No unit was silenced." in text
    assert 'id="detection"' not in text


def test_scoring_alone_has_a_page(remeasured, manifest) -> None:
    text = page(remeasured(after=None, controls={}), manifest)
    assert "the network was left as it was" in text
    assert "repaired" not in text


def _contrast(one: str, other: str) -> float:
    def light(colour: str) -> float:
        parts = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((light(one), light(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_every_colour_of_text_has_contrast(pages) -> None:
    themes = re.findall(r":root \{([^}]*)\}", pages["run"])
    assert len(themes) == 2
    for theme in themes:
        colours = dict(re.findall(r"--(\w+): (#\w{6})", theme))
        for text in ("ink", "muted", "good", "bad", "plain"):
            for ground in ("paper", "card", "tint"):
                assert _contrast(colours[text], colours[ground]) >= 4.5, (text, ground)
