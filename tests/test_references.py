"""Every method says what it comes from, and the file says it as BibTeX."""

import re

import pytest

from unchaff.methods import METHODS
from unchaff.references import cited, entries

FIELDS = ("title", "author", "year")


@pytest.mark.parametrize("name", METHODS)
def test_what_a_method_cites_is_there(name):
    assert set(cited(METHODS[name])) <= set(entries())


def test_nothing_is_listed_that_no_method_cites():
    assert {key for method in METHODS.values() for key in cited(method)} == set(entries())


@pytest.mark.parametrize("key", entries())
def test_an_entry_is_whole(key):
    text = entries()[key]
    assert text.count("{") == text.count("}")
    for field in FIELDS:
        assert re.search(rf"^  {field} = \{{.+\}},?$", text, re.MULTILINE), field
    assert re.search(r"\d{4}", text.split("year = ")[1])
