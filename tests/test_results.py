"""Every number of the tables comes from a result file."""

import importlib.util
import json
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = sorted((ROOT / "experiments" / "main_job").glob("*.json"))


spec = importlib.util.spec_from_file_location("table", ROOT / "experiments" / "table.py")
table = importlib.util.module_from_spec(spec)
spec.loader.exec_module(table)
TABLES = table.tables()


@pytest.mark.parametrize(("page", "marker"), TABLES, ids=lambda each: each)
def test_the_pages_hold_the_tables_of_the_result_files(page, marker):
    place = table.held(page, marker)
    assert place, f"the markers of {marker} are gone from {page}"
    assert place[1].strip() == TABLES[page, marker], "run python experiments/table.py"


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_result_says_how_it_was_made_and_is_last_epoch_on_test(file):
    result = json.loads(file.read_text())
    assert result["command"].startswith("unchaff repair ")
    assert result["commit"]
    assert result["versions"]["torch"]
    assert result["measured_on"] == "test"
    assert result["cost"]["share"]["flops"] <= 0.31


@pytest.mark.parametrize(
    "file", sorted((ROOT / "experiments").rglob("results.jsonl")), ids=lambda file: file.parent.name
)
def test_no_seed_counts_twice(file):
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    held = [(row["setting"], row.get("name"), row.get("kind"), row.get("seed")) for row in rows]
    assert len(set(held)) == len(held), "two generations of rows; keep those the suite plans"
