"""Every number of the README's table comes from a result file."""

import importlib.util
import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = sorted((ROOT / "experiments" / "main_job").glob("*.json"))


def printed_table():
    spec = importlib.util.spec_from_file_location("table", ROOT / "experiments" / "table.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.table()


def test_the_readme_holds_the_table_of_the_result_files():
    readme = (ROOT / "README.md").read_text()
    held = re.search(r"<!-- table -->\n(.*)<!-- end of table -->", readme, re.DOTALL)
    assert held, "the markers of the table are gone"
    assert held[1].strip() == printed_table(), (
        "run python experiments/table.py and put it between the markers"
    )


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_result_says_how_it_was_made_and_is_last_epoch_on_test(file):
    result = json.loads(file.read_text())
    assert result["command"].startswith("unchaff repair ")
    assert result["commit"]
    assert result["versions"]["torch"]
    assert result["measured_on"] == "test"
    assert result["cost"]["share"]["flops"] <= 0.31
