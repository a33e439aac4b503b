"""The suite that measures what a cluster costs, on rows of a moment."""

import json
from dataclasses import replace

import pytest

from unchaff.bench import scale
from unchaff.bench.scale import LOADS, Load, Made, carried
from unchaff.cli import app
from unchaff.engine.units import cut
from unchaff.errors import ConfigError


def test_a_load_is_measured_and_written_down_once(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(scale, "LOADS", (Load(name="made-few", rows=3000, where="here"),))
    words = ["bench", "scale", "--out", str(tmp_path)]
    assert app.main(words) == 0
    said = capsys.readouterr()
    assert "made-few: 3,000 rows in" in said.out
    row = json.loads((tmp_path / "results.jsonl").read_text())
    assert row["rows"] == 3000
    assert row["rows_per_second"] > 0
    assert 0 <= row["growth"] < row["driver"]
    assert row["made"]["versions"]
    assert app.main(words) == 0
    assert "measured" not in capsys.readouterr().err, "measured again"


def test_a_thousand_million_rows_are_planned_without_holding_them():
    row = carried(replace(LOADS[-1], where="here"), None)
    assert row.rows == 10**9
    assert row.growth < 50_000_000
    assert len(cut([("", row.rows)])) <= 10_000


def test_made_rows_are_the_same_wherever_they_are_made():
    units = cut([("", 5000)])
    once, again = (Made().read(units[1]).samples for _ in range(2))
    assert (once.labels == again.labels).all()
    assert once.ids[0] == units[1].start
    assert once.class_names == tuple("0123456789")


def test_pictures_need_their_pack(tmp_path):
    with pytest.raises(ConfigError, match="--packs"):
        carried(LOADS[0], tmp_path)
