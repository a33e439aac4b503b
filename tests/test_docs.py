"""The documents: links lead somewhere, and every command and method is described."""

import re
from pathlib import Path
from typing import get_type_hints

import pytest

from unchaff.cli import app as program

ROOT = Path(__file__).parents[1]
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "CHANGELOG.md",
    *sorted((ROOT / "docs").rglob("*.md")),
]
FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ +(.+)$", re.MULTILINE)
COMMANDS = {command.name: command for command in program.app.registered_commands}


def anchors(page: Path) -> set[str]:
    """Return what can follow the # of a link to this page."""
    titles = HEADING.findall(FENCED.sub("", page.read_text()))
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


def broken_links(page: Path) -> list[str]:
    """Return the links of a page that lead nowhere; addresses outside the repository are not opened."""
    broken = []
    for link in LINK.findall(FENCED.sub("", page.read_text())):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and target.suffix == ".md" and anchor not in anchors(target)):
            broken.append(link)
    return broken


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    assert broken_links(page) == []


def test_a_broken_link_is_found(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# A title\n[a](nowhere.md) [b](#a-title) [c](#other) [d](https://example.org)\n")
    assert broken_links(page) == ["nowhere.md", "#other"]


def test_every_page_is_linked_from_the_index():
    index = ROOT / "docs" / "index.md"
    linked = {(index.parent / link.partition("#")[0]).resolve() for link in LINK.findall(index.read_text())}
    pages = {page.resolve() for page in (ROOT / "docs").glob("*.md")} - {index.resolve()}
    assert {page.name for page in pages - linked} == set()


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_documented_and_has_help(name):
    assert f"## unchaff {name}\n" in (ROOT / "docs" / "cli.md").read_text()
    assert COMMANDS[name].callback.__doc__.strip()


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_has_help(name):
    hints = get_type_hints(COMMANDS[name].callback, include_extras=True)
    without = [option for option, hint in hints.items() if not hint.__metadata__[0].help]
    assert without == []


def test_every_method_is_documented():
    from unchaff import METHODS

    page = (ROOT / "docs" / "methods.md").read_text()
    assert [name for name in METHODS if f"`{name}`" not in page] == []


def test_the_readme_lists_every_method_in_the_words_of_its_page():
    from unchaff import METHODS

    row = re.compile(r"^\| `([a-z-]+)` \| (.*?) \|", re.MULTILINE)
    page, readme = ((ROOT / name).read_text() for name in ("docs/methods.md", "README.md"))
    listed = row.findall(readme.split("## Methods\n")[1].split("\n## ")[0])
    assert [name for name, _ in listed] == list(METHODS)
    assert dict(listed) == dict(row.findall(page.split("\n## ")[0]))


@pytest.mark.parametrize("marker", ["first command", "second command"])
def test_the_readme_marks_its_commands(marker):
    lines = (ROOT / "README.md").read_text().splitlines()
    at = lines.index(f"<!-- {marker} -->")
    assert lines[at + 1].startswith("```")
    assert "-c constraints.txt" in lines[at + 2]
    assert lines[at + 3] == "```"
