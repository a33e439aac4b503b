"""The page of `unchaff review` as a person uses it: keys, filters, two tabs, hostile names, many samples."""

import csv
import threading
import urllib.parse

import pytest

from made_runs import HOSTILE, run_of_pictures, write_run
from unchaff.report.words import STEERING, visible
from unchaff.review.server import Serving
from unchaff.review.session import Review
from unchaff.review.suspects import Asked
from unchaff.runs.read import read

GIVEN = "[...document.querySelectorAll('.labels dd:first-of-type')].map((each) => each.textContent)"
SHOWN = "article .media img"
ASKED = Asked()
WAIT = 60_000  # milliseconds: the data are looked for while this is waited


@pytest.fixture
def serve():
    """Return a function that serves a run folder in a thread, and its review and address."""
    running = []

    def start(folder):
        review, serving = Review(read(folder)), Serving.on("127.0.0.1", 0)
        server = serving.server(review)
        thread = threading.Thread(target=server.run, args=([serving.listening],), daemon=True)
        running.append((server, thread, review, review.begin()))
        thread.start()
        return review, serving.url

    yield start
    for server, thread, review, opening in running:
        server.should_exit = True
        for each in (thread, opening):
            each.join(WAIT / 1000)
        review.store.close()


class Tab:
    """A page, and all that it said and asked for."""

    def __init__(self, browser, url, **kind):
        self.context = browser.new_context(**kind)
        self.page = self.context.new_page()
        self.said, self.asked = [], []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(url)
        self.page.wait_for_selector("article")

    def press(self, *keys):
        for key in keys:
            self.page.keyboard.press(key)

    def badges(self):
        return [text for text in self.page.locator("article .badge").all_inner_texts() if text]

    def wait_for_text(self, selector, text):
        self.page.locator(selector, has_text=text).first.wait_for(timeout=WAIT)


@pytest.fixture
def tab(browser):
    tabs = []

    def open_tab(url, **kind):
        tabs.append(Tab(browser, url, **kind))
        return tabs[-1]

    yield open_tab
    for each in tabs:
        each.context.close()


def kinds(review):
    return sorted(answer.kind for answer in review.store.decided())


def test_a_person_decides_by_keyboard(serve, tab, tmp_path):
    review, url = serve(run_of_pictures(tmp_path, ("cat", "dog", "owl")))
    one = tab(url)
    one.page.wait_for_selector(SHOWN, timeout=WAIT)
    assert "18 samples" in one.page.inner_text("#count")
    one.press("d", "r", "k", "3")
    one.wait_for_text("#progress", "4 of 18 reviewed")
    given = {answer.id: answer for answer in review.store.decided()}
    first = [review.suspects.ids[row] for row in review.suspects.rows(ASKED)[:4]]
    assert [given[id_].kind for id_ in first[:3]] == ["drop", "relabel", "keep"]
    assert "truly wrong so far" in one.page.inner_text("#progress")
    one.page.select_option("[name=given]", label="dog")
    one.page.wait_for_function(f"() => {GIVEN}.length && {GIVEN}.every((text) => text === 'dog')")
    one.page.reload()
    one.page.wait_for_selector("article")
    assert one.page.input_value("[name=given]") == "1", "the filter is kept"
    one.press("u")
    one.wait_for_text("#progress", "3 of 18 reviewed")
    one.press("u", "u", "u")
    one.wait_for_text("#progress", "0 of 18 reviewed")
    assert review.store.decided() == []
    one.press("u")
    one.wait_for_text("#error", "nothing that this tab could undo")
    assert one.said == []
    here = urllib.parse.urlsplit(url).netloc
    assert {urllib.parse.urlsplit(each).netloc for each in one.asked if not each.startswith("data:")} == {
        here
    }


def test_a_selection_is_decided_at_once_and_exported(serve, tab, tmp_path):
    review, url = serve(run_of_pictures(tmp_path, ("cat", "dog", "owl")))
    one = tab(url)
    one.page.wait_for_function("() => document.querySelectorAll('article dd').length > 8")
    one.press("x", "Shift+ArrowRight", "Shift+ArrowRight")
    assert "3 samples selected" in one.page.inner_text("#target")
    one.press("c")
    one.page.keyboard.type("ow")
    one.press("Enter")
    one.wait_for_text("#progress", "3 of 18 reviewed")
    assert all(answer.label in (2, None) for answer in review.store.decided())
    with one.page.expect_download() as download:
        one.page.click("text=Decisions as CSV")
    rows = list(csv.DictReader(download.value.path().read_text().splitlines()))
    assert [row["label"] for row in rows] == ["owl"] * 3
    one.press("Escape")
    one.page.click("text=Select all")
    one.page.click("#actions [data-act=keep]")
    one.wait_for_text("#progress", "18 of 18 reviewed")
    assert len(one.badges()) == 18
    assert one.said == []


def test_two_tabs_lose_nothing_and_see_each_other(serve, tab, tmp_path):
    review, url = serve(run_of_pictures(tmp_path, ("cat", "dog")))
    one, other = tab(url), tab(url)
    for each in (one, other):
        each.page.wait_for_function("() => document.querySelectorAll('article dd').length > 8")
    one.press("d")
    one.wait_for_text("#progress", "1 of 12")
    other.press("j", "k")
    other.wait_for_text("#progress", "2 of 12")
    one.wait_for_text("#progress", "2 of 12")
    other.wait_for_text(".badge", "Dropped")
    assert one.badges() == other.badges() == ["Dropped", "Kept"]
    other.press("u")
    one.wait_for_text("#progress", "1 of 12")
    assert kinds(review) == ["drop"]


def test_hostile_names_are_text(serve, tab, tmp_path):
    review, url = serve(run_of_pictures(tmp_path, HOSTILE))
    one = tab(url)
    one.page.wait_for_selector(SHOWN, timeout=WAIT)
    shown = one.page.evaluate(
        "[...document.querySelectorAll('.labels dd:first-of-type')].map((e) => e.textContent)"
    )
    names = [visible(name) for name in sorted(HOSTILE)]
    assert set(shown) == set(names)
    one.press("c")
    listed = one.page.evaluate("[...document.querySelectorAll('#class-list li')].map((e) => e.textContent)")
    assert listed == names
    one.press("Enter")
    one.wait_for_text("#progress", "1 of")
    assert one.page.evaluate("globalThis.hacked") is None
    assert one.page.locator("article img").evaluate_all("all => all.every((e) => e.src.startsWith('data:'))")
    assert one.said == []
    assert len(review.store.decided()) == 1


LEFT_OF = """(selector, texts) => {
    const place = document.querySelector(selector);
    const walker = document.createTreeWalker(place, NodeFilter.SHOW_TEXT);
    const lefts = texts.map(() => null);
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
        texts.forEach((text, index) => {
            const at = node.textContent.indexOf(text);
            if (at < 0) return;
            const range = document.createRange();
            range.setStart(node, at);
            range.setEnd(node, at + 1);
            lefts[index] = range.getBoundingClientRect().left;
        });
    }
    return lefts;
}"""


def test_names_that_turn_the_reading_direction_turn_nothing_else_around(serve, tab, tmp_path):
    _, url = serve(run_of_pictures(tmp_path, ("cat", "\u202eדג (1) cat"), count=4))
    one = tab(url, viewport={"width": 1280, "height": 844})
    one.page.wait_for_selector(SHOWN, timeout=WAIT)
    one.page.select_option("[name=given]", index=1)
    one.page.wait_for_function("() => document.querySelector('#count').textContent.startsWith('2 ')")
    one.press("2")
    one.wait_for_text(".badge", "Relabelled")
    whole = one.page.evaluate("document.documentElement.outerHTML")
    assert "202e" in whole
    assert not STEERING.search(whole.replace("\n", " "))
    first, *later = one.page.evaluate(f"(texts) => ({LEFT_OF})('.badge', texts)", ["R", "l", "\\u", " cat"])
    assert sorted([first, *later]) == [first, *later], "words stand in their order, from left to right"


def test_why_a_sample_is_distrusted_is_never_cut_within_a_line(serve, tab, tmp_path):
    _, url = serve(run_of_pictures(tmp_path, ("cat", "long name " * 9), count=6))
    one = tab(url, viewport={"width": 1280, "height": 844})
    one.page.wait_for_selector(SHOWN, timeout=WAIT)
    one.wait_for_text(".why", "what the layers read shows its label")
    lines = one.page.evaluate(
        """[...document.querySelectorAll('.why')].map((each) => {
            const below = each.parentElement.querySelector('.badge').getBoundingClientRect().top;
            const box = each.getBoundingClientRect();
            return [box.height / parseFloat(getComputedStyle(each).lineHeight), box.bottom <= below];
        })"""
    )
    assert {above for _, above in lines} == {True}
    assert all(abs(count - round(count)) < 0.05 for count, _ in lines), lines
    assert max(round(count) for count, _ in lines) == 5, "a long one is as long as there is room"


def test_where_nothing_was_set_aside_the_kept_are_shown_worst_first(serve, tab, tmp_path):
    folder = write_run(
        tmp_path / "run", ids=[1, 2, 3], labels=[0, 1, 0], suggested=[0, 1, 0], quality=[0.9, 0.8, 0.95]
    )
    review, url = serve(folder)
    one = tab(url)
    one.wait_for_text("#notes", "The run set nothing aside; here are the samples it kept, worst first.")
    one.wait_for_text(".id", "2")
    assert one.page.locator("article .id").all_inner_texts() == ["2", "1", "3"]
    assert one.page.inner_text("#progress") == "0 reviewed"
    one.press("d")
    one.wait_for_text("#progress", "1 reviewed")
    one.page.click("button[type=reset]")
    one.wait_for_text("#count", "2 samples")
    one.page.select_option("[name=split]", "rejected")
    one.wait_for_text("#count", "No sample is like that.")
    assert kinds(review) == ["drop"]


def test_backspace_takes_back_the_decision_that_was_just_made(serve, tab, tmp_path):
    review, url = serve(run_of_pictures(tmp_path, ("cat", "dog")))
    one = tab(url)
    one.page.wait_for_function("() => document.querySelectorAll('article dd').length > 8")
    place = "article[aria-current=true]"
    one.press("d", "k")
    one.wait_for_text("#progress", "2 of 12")
    one.press("Backspace")
    one.wait_for_text("#progress", "1 of 12")
    assert kinds(review) == ["drop"], "the last one"
    assert one.page.get_attribute(place, "aria-posinset") == "2", "which is the current one again"
    one.press("Backspace")
    one.wait_for_text("#progress", "0 of 12")
    assert one.page.get_attribute(place, "aria-posinset") == "1"
    one.press("d", "k", "p", "p")
    one.wait_for_text("#progress", "2 of 12")
    one.press("Backspace")
    one.wait_for_text("#progress", "1 of 12")
    assert kinds(review) == ["keep"], "elsewhere it is about the current sample"
    one.press("End", "Backspace", "u")
    one.wait_for_text("#progress", "2 of 12")
    assert kinds(review) == ["drop", "keep"], "where nothing was decided, there is nothing to undo"
    assert one.page.locator("article.waiting").count() == 0
    assert one.said == []


def test_a_description_that_comes_late_hides_no_decision(serve, tab, tmp_path):
    _, url = serve(run_of_pictures(tmp_path, ("cat", "dog")))
    one = tab(url)
    one.page.wait_for_selector("article dd")
    late = []
    one.page.route("**/samples?*", lambda route: late.append((route, route.fetch())))
    one.page.select_option("[name=given]", label="dog")
    one.wait_for_text("#count", "6 samples")
    while not late:
        one.page.wait_for_timeout(20)
    one.press("d")
    one.wait_for_text(".badge", "Dropped")
    route, reply = late[0]
    route.fulfill(response=reply)
    one.page.wait_for_selector("article dd")
    assert one.badges() == ["Dropped"]


def test_news_that_come_late_hide_no_decision(serve, tab, tmp_path):
    review, url = serve(run_of_pictures(tmp_path, ("cat", "dog")))
    one = tab(url)
    one.page.wait_for_selector(SHOWN, timeout=WAIT)
    first = int(one.page.get_attribute("article[aria-current=true]", "data-row"))
    review.decide("theirs", [first], "keep", None)
    review.undo("theirs")
    late = []
    one.page.route("**/changes?*", lambda route: late.append((route, route.fetch())))
    while not late:
        one.page.wait_for_timeout(20)
    one.press("d")
    one.page.wait_for_timeout(300)
    route, reply = late[0]
    assert {"row": first, "decision": None, "label": None} in reply.json()["changed"]
    route.fulfill(response=reply)
    one.wait_for_text("#progress", "1 of 12")
    one.page.wait_for_timeout(300)
    assert one.badges() == ["Dropped"]


def test_without_the_data_ids_are_shown_and_decided(serve, tab, tmp_path):
    folder = write_run(
        tmp_path / "run",
        ids=[1, 2, 3],
        labels=[0, 1, 0],
        suggested=[1, 0, 0],
        quality=[0.1, 0.2, 0.9],
        data=str(tmp_path / "gone"),
    )
    review, url = serve(folder)
    one = tab(url)
    one.wait_for_text("#notes", "Samples are shown without pictures")
    assert "does not exist" in one.page.inner_text("#notes")
    one.press("d")
    one.wait_for_text("#progress", "1 of 2 reviewed")
    assert kinds(review) == ["drop"]


def test_fifty_thousand_samples_are_few_in_the_page_and_can_all_be_reached(serve, tab, tmp_path):
    count = 50_000
    folder = write_run(
        tmp_path / "run",
        ids=list(range(count)),
        labels=[0] * count,
        suggested=[1] * count,
        quality=[0.4 * row / count for row in range(count)],
    )
    _, url = serve(folder)
    one = tab(url)
    assert one.page.locator("article").count() < 100
    one.press("End")
    one.wait_for_text(".id", str(count - 1))
    assert one.page.locator("article").count() < 200
    assert one.page.get_attribute("article[aria-current=true]", "aria-posinset") == str(count)
    one.press("Home")
    one.page.wait_for_function("() => document.querySelector('article .id').textContent === '0'")


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_sticks_out_and_every_control_has_a_name(serve, tab, tmp_path, width):
    _, url = serve(run_of_pictures(tmp_path, ("cat", "a" * 80)))
    one = tab(url, viewport={"width": width, "height": 844}, color_scheme="dark")
    one.page.wait_for_selector(SHOWN, timeout=WAIT)
    wide = one.page.evaluate("document.documentElement.scrollWidth")
    assert wide <= width
    cut = one.page.evaluate(
        "[...document.querySelectorAll('.buttons')].filter((e) => e.scrollWidth > e.clientWidth).length"
    )
    assert cut == 0
    nameless = one.page.evaluate(
        """[...document.querySelectorAll('button, input, select, img, article, progress')].filter((each) =>
            !(each.textContent.trim() || each.getAttribute('aria-label') || each.alt || each.labels?.length)
        ).map((each) => each.outerHTML)"""
    )
    assert nameless == []


def test_help_and_focus(serve, tab, tmp_path):
    _, url = serve(run_of_pictures(tmp_path, ("cat", "dog")))
    one = tab(url)
    one.page.wait_for_function("() => document.querySelectorAll('article dd').length > 8")
    one.press("?")
    assert one.page.is_visible("#help")
    one.press("d", "Escape")
    assert not one.page.is_visible("#help")
    assert one.badges() == [], "keys are not heard behind a dialog"
    one.press("ArrowRight")
    assert one.page.evaluate("document.activeElement.getAttribute('aria-current')") == "true"
    one.press("/")
    one.page.keyboard.type("dog/003")
    one.wait_for_text("#count", "1 sample")
    assert one.badges() == [], "keys are not heard in a field"
