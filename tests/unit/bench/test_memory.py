"""The suite that weighs what scoring takes, on data of a few megabytes."""

import json
from dataclasses import replace

import pytest

from unchaff.bench import memory
from unchaff.bench.memory import GB, Bulk
from unchaff.cli import app
from unchaff.errors import ConfigError

SMALL = Bulk(name="folder-small", kind="folder", size=3_000_000, side=64)


@pytest.mark.parametrize("kind", ["folder", pytest.param("parquet", marks=pytest.mark.slow)])
def test_scoring_is_weighed_and_written_down_once(kind, tmp_path, monkeypatch, capsys):
    bulk = replace(SMALL, name=f"{kind}-small", kind=kind)
    monkeypatch.setattr(memory, "BULKS", (bulk,))
    words = ["bench", "memory", "--out", str(tmp_path)]
    assert app.main([*words, "--list"]) == 0
    assert capsys.readouterr().out == f"missing  {kind}-small\n"
    assert app.main(words) == 0
    said = capsys.readouterr()
    assert said.err == f"{kind}-small: measured\n"
    assert "rows a second); peak" in said.out
    row = json.loads((tmp_path / "results.jsonl").read_text())
    assert row["rows"] == 245
    assert row["size"] > 3_000_000
    assert 0.1 * GB < row["peak"] <= row["peak_resident"] < 2 * GB
    assert row["auroc"] > 0.8, "the colour of a picture tells its class"
    assert row["command"].startswith("unchaff score TMP/data")
    assert app.main(words) == 0
    assert "measured" not in capsys.readouterr().err, "measured again"


def test_more_than_the_limit_is_a_gate_not_met(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(memory, "BULKS", (replace(SMALL, limit=1),))
    row = memory.Weighed(
        key=memory.BULKS[0].key, setting="folder-small", command="", rows=1, size=1, seconds=1.0,
        rows_per_second=1.0, peak=2, peak_resident=2, limit=1, auroc=None,
    )  # fmt: skip
    monkeypatch.setattr(memory, "weighed", lambda _bulk: row)
    assert app.main(["bench", "memory", "--out", str(tmp_path)]) == 3
    assert "folder-small took more memory than its limit" in capsys.readouterr().err


@pytest.mark.parametrize(("only", "said"), [("none", "Rows are folder-10GB"), ("[", "no regular expression")])
def test_rows_are_chosen_by_name(only, said, tmp_path, capsys):
    assert app.main(["bench", "memory", "--only", only, "--out", str(tmp_path)]) == 1
    assert said in capsys.readouterr().err


def test_a_place_too_small_is_named_before_it_is_filled():
    with pytest.raises(ConfigError, match=r"needs .* GB in .* are free\. Name another folder in TMPDIR"):
        memory.weighed(replace(SMALL, size=10**18))
