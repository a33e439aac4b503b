"""The page in a real browser, opened from disk."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from unchaff.report.page import render
from unchaff.report.tables import comparison
from unchaff.report.views import ComparisonView, GroundView, Rung

HOSTILE = (
    "<img src=x onerror=document.title='broken'>",
    "\u202e\u05e9\u05dc\u05d5\u05dd \U0001f41f\n\"'&</style>",
    "<script>document.title = 'broken'</script>",
)
PAGES = ("run", "sounds", "rows", "evil", "compared")
# The contrast of every element that holds text itself, with what it stands on.
CONTRAST = """() => {
  const light = text => {
    const parts = text.match(/[\\d.]+/g).map(Number);
    const shares = parts.slice(0, 3).map(v => v / 255);
    const linear = shares.map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
  };
  const ground = element => {
    for (let at = element; at; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor;
      if (!colour.endsWith(", 0)") && colour !== "transparent") return colour;
    }
    return "rgb(255, 255, 255)";
  };
  let worst = [99, ""];
  for (const element of document.querySelectorAll("body *:not(svg *)")) {
    if (![...element.childNodes].some(node => node.nodeType === 3 && node.data.trim())) continue;
    const pair = [light(getComputedStyle(element).color), light(ground(element))].sort((a, b) => b - a);
    const found = (pair[0] + 0.05) / (pair[1] + 0.05);
    if (found < worst[0]) worst = [found, element.outerHTML.slice(0, 80)];
  }
  return worst;
}"""
SCROLLS = "() => document.documentElement.scrollWidth > document.documentElement.clientWidth"


@contextmanager
def opened(browser: Any, file: Path, **how: object) -> Iterator[tuple[Any, list[str]]]:
    """Open a file and yield the page, and what it asked for or complained of."""
    context = browser.new_context(**how)
    try:
        page, heard = context.new_page(), []
        own = file.as_uri()
        page.on("console", lambda said: heard.append(said.text))
        page.on("pageerror", lambda error: heard.append(str(error)))
        page.on(
            "request",
            lambda asked: None if asked.url.startswith((own, "data:")) else heard.append(asked.url),
        )
        page.goto(own)
        yield page, heard
    finally:
        context.close()


@pytest.fixture(scope="module")
def files(pages, named, page_of, tmp_path_factory) -> dict[str, Path]:
    """Pages on disk, one of them with names that mean harm."""
    folder = tmp_path_factory.mktemp("pages")
    run = named(HOSTILE)
    ids = np.asarray([f"{place:02} {HOSTILE[place % 3]}" for place in range(60)])
    split, record = replace(run.outcome.partition, ids=ids), replace(run.trained.record, ids=ids)
    control = run.measured.controls["finetune-all"]
    evil = replace(
        run,
        samples=replace(run.samples, ids=ids),
        outcome=replace(run.outcome, partition=split),
        trained=replace(run.trained, record=record),
        measured=replace(run.measured, controls=dict.fromkeys(HOSTILE, control)),
        notes=HOSTILE,
        command=HOSTILE[0],
    )
    texts = {**pages, "evil": page_of(evil), "compared": compared()}
    for name, text in texts.items():
        (folder / f"{name}.html").write_text(text, encoding="utf-8")
    return {name: folder / f"{name}.html" for name in texts}


def compared() -> str:
    """Return a page that compares, of the same parts."""
    numbers = {"macro_f1": 0.8, "seconds": 1.0, "flops": 2e9, "share": 0.5, "seconds_share": 0.4}
    rungs = [
        Rung(name=name, role=role, accuracy=0.8, interval=(0.7, 0.9), **numbers)
        for name, role in (("before", "before"), ("unlearn", "after"), (HOSTILE[0], "control"))
    ]
    ground = GroundView(name="one", sentence="Made up.", tables=(comparison(rungs),), charts=())
    return render(
        ComparisonView(
            title=HOSTILE[1],
            created="",
            sentence="3 measurements",
            notes=HOSTILE,
            grounds=(ground,),
            file="rows.jsonl",
        )
    )


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("which", PAGES)
def test_a_page_opens_from_disk(browser, files, which, width, scheme) -> None:
    how = {"viewport": {"width": width, "height": 800}, "color_scheme": scheme}
    with opened(browser, files[which], **how) as (page, heard):
        assert not page.evaluate(SCROLLS)
        page.evaluate("() => document.querySelectorAll('details').forEach(each => each.open = true)")
        assert not page.evaluate(SCROLLS)
        contrast, where = page.evaluate(CONTRAST)
        assert contrast >= 4.5, where
        assert heard == []


@pytest.mark.parametrize("which", PAGES)
def test_a_page_is_whole_without_scripts(browser, files, which) -> None:
    with opened(browser, files[which], java_script_enabled=False) as (page, heard):
        assert page.locator("h1").is_visible()
        for each in page.locator("table, svg, .suspects img").all():
            assert each.is_visible() or each.locator("xpath=ancestor::details").count() == 1
        first = page.locator("summary").first
        if first.count():
            first.click()
            assert page.locator("details table").first.is_visible()
        assert heard == []


def test_names_that_mean_harm_are_shown_as_text(browser, files) -> None:
    with opened(browser, files["evil"]) as (page, heard):
        assert page.title() == "unchaff: made-up"
        assert page.locator("img[onerror], script").count() == 0
        assert page.get_by_role("rowheader", name=HOSTILE[0], exact=True).count() == 2  # a control, a class
        assert HOSTILE[0] in page.locator(".suspects").first.inner_text()
        assert "\U0001f41f" in page.locator("#noise").inner_text()
        assert heard == []


def test_what_a_screen_reader_finds(browser, files) -> None:
    with opened(browser, files["sounds"]) as (page, _):
        for role in ("banner", "main", "navigation", "contentinfo"):
            assert page.get_by_role(role).count() == 1
        assert page.get_by_role("heading", level=1).count() == 1
        assert page.locator("img:not([alt]), img[alt='']").count() == 0
        regions = page.get_by_role("region").evaluate_all(
            "each => each.map(one => one.getAttribute('aria-label') || one.getAttribute('aria-labelledby'))"
        )
        assert all(regions)
        assert len(set(regions)) == len(regions)


# Labels of one word and numbers that stand on more than one line.
BROKEN = """() => [...document.querySelectorAll(".evidence dt, .values dd")].filter(each => {
  const range = document.createRange();
  range.selectNodeContents(each);
  return !each.innerText.trim().includes(" ") && range.getClientRects().length > 1;
}).map(each => each.innerText)"""


@pytest.mark.parametrize("width", [1280, 390])
def test_words_and_numbers_are_not_broken_inside(browser, page_of, rows, tmp_path, width) -> None:
    ids = np.asarray([f"golden_retriever/IMG_20230415_{place:06}.jpg" for place in range(60)])
    split = replace(rows.outcome.partition, ids=ids)
    samples = replace(rows.samples, ids=ids)
    trained = replace(rows.trained, record=replace(rows.trained.record, ids=ids))
    outcome = replace(rows.outcome, partition=split)
    (tmp_path / "page.html").write_text(
        page_of(replace(rows, samples=samples, trained=trained, outcome=outcome)), encoding="utf-8"
    )
    with opened(browser, tmp_path / "page.html", viewport={"width": width, "height": 800}) as (page, _):
        assert page.evaluate(BROKEN) == []


def test_the_keyboard_leads_to_the_verdict_and_is_seen(browser, files) -> None:
    with opened(browser, files["run"]) as (page, _):
        page.keyboard.press("Tab")
        focused = page.locator(":focus")
        assert focused.inner_text() == "Skip to the verdict"
        assert focused.bounding_box()["x"] >= 0
        page.keyboard.press("Enter")
        page.wait_for_url("**#verdict")
        page.keyboard.press("Tab")
        outline = page.evaluate("() => getComputedStyle(document.activeElement).outlineStyle")
        assert outline == "solid"


def test_a_sound_plays(browser, files) -> None:
    with opened(browser, files["sounds"]) as (page, heard):
        playing = "async sound => { sound.muted = true; await sound.play(); return sound.duration }"
        assert page.locator("audio").first.evaluate(playing) == pytest.approx(1.0, abs=0.05)
        assert heard == []


def test_the_guard_would_hear_a_request(browser, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text("<h1>a</h1><img src='other.png'><script>console.log('b')</script>")
    with opened(browser, tmp_path / "page.html") as (_, heard):
        assert (tmp_path / "other.png").as_uri() in heard
        assert "b" in heard
