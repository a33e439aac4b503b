import json

import pytest

from unchaff.cli import app

ROWS = r"digits-clean/(nothing|retrain@0\.25)/"


@pytest.fixture
def bench(tmp_path):
    words = ["bench", "smoke", "--out", str(tmp_path / "out"), "--networks", str(tmp_path / "networks")]
    return lambda *more: app.main([*words, "--device", "cpu", *more])


def test_rows_are_measured_once_and_put_on_a_page(bench, tmp_path, capsys):
    assert bench("--only", ROWS) == 0
    said = capsys.readouterr()
    assert "digits-clean: Methods at their cost" in said.out
    assert "retrain@0.25" in said.out
    lines = (tmp_path / "out" / "results.jsonl").read_text().splitlines()
    assert [json.loads(line)["name"] for line in lines] == ["nothing", "retrain@0.25"]
    assert all(json.loads(line)["made"]["versions"]["torch"] for line in lines)
    assert "unchaff bench smoke" in (tmp_path / "out" / "index.html").read_text()
    assert bench("--only", ROWS) == 0
    assert "accuracy" not in capsys.readouterr().err, "measured again"


def test_list_runs_nothing(bench, tmp_path, capsys):
    assert bench("--only", ROWS, "--list") == 0
    assert capsys.readouterr().out.splitlines() == [
        "missing  digits-clean/nothing/0",
        "missing  digits-clean/retrain@0.25/0",
    ]
    assert not (tmp_path / "out").exists()


def test_a_number_out_of_its_range_is_a_gate_not_met(bench, tmp_path, capsys):
    bench("--only", "digits-clean/nothing/")
    file = tmp_path / "out" / "results.jsonl"
    row = json.loads(file.read_text())
    row["scores"]["accuracy"] = 0.3
    file.write_text(json.dumps(row) + "\n")
    capsys.readouterr()
    assert bench("--only", "digits-clean/nothing/") == 3
    assert "Out of range: digits-clean/nothing/0: accuracy 0.300" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--seeds", "a"], "--seeds must be whole numbers with commas, got 'a'"),
        (["--only", "nix"], "leaves no row"),
    ],
)
def test_wrong_words_are_one_sentence(bench, capsys, words, message):
    assert bench(*words) == 1
    assert message in capsys.readouterr().err
