"""Names from files are shown, and steer neither a terminal nor a page nor a spreadsheet."""

import ast
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from pyarrow import csv

import unchaff
from unchaff.cli import app, show
from unchaff.cli.said import say
from unchaff.exports import FORMATS
from unchaff.report.words import visible
from unchaff.runs.read import read

ESCAPE, TITLE, TURNED, MARKED = "\x1b[2J\x1b[31mred", "\x1b]0;title\x07", "\u202egnp.exe", "[bold red]x[/]"
SCRIPT, FORMULA = "<script>alert(1)", "=1+1"
STEERING = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")  # all but the end of a line


def test_every_character_is_shown():
    assert visible("a\x1b[2J\r\n\tb\x9b\u202e\u2028\ud800") == r"a\x1b[2J\r\n\tb\x9b\u202e\u2028\ud800"
    assert visible("Kätzchen 猫 🐈 [x]") == "Kätzchen 猫 🐈 [x]"


def test_a_line_is_one_line(capsys):
    say("one\nError: forged")
    assert capsys.readouterr().out == "one\\nError: forged\n"


def test_only_one_place_writes_to_the_terminal():
    folder = Path(unchaff.__file__).parent
    writers = []
    for file in sorted(folder.rglob("*.py")):
        calls = [node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Call)]
        called = {ast.unparse(call.func) for call in calls}
        if called & {"print", "typer.echo", "typer.secho", "click.echo", "sys.stdout.write"}:
            writers.append(file.relative_to(folder).as_posix())
    assert writers == ["cli/said.py"]


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """Return a run folder of texts whose classes and ids are called what nobody would call them."""
    folder = tmp_path_factory.mktemp("hostile")
    classes = [ESCAPE, SCRIPT, FORMULA, MARKED]
    lines = ["id,text,label"]
    for row in range(80):
        name = classes[row % 4]
        lines.append(
            f'"{(ESCAPE, TITLE, SCRIPT, FORMULA, TURNED)[row % 5]} {row}","word{row % 4} {SCRIPT}","{name}"'
        )
    (folder / "data.csv").write_text("\n".join(lines))
    words = ["--epochs", "1", "--device", "cpu", "--noise", "symmetric:0.3", "--controls", "none"]
    assert app.main(["repair", str(folder / "data.csv"), *words, "--out", str(folder / "run")]) == 0
    return folder / "run"


def shown(capsys):
    found = capsys.readouterr()
    assert not STEERING.search(found.out + found.err)
    return found.out + found.err


def test_a_run_prints_no_control_characters(hostile, tmp_path, capsys):
    data = hostile.parent / "data.csv"
    app.main(
        [
            "score",
            str(data),
            "--epochs",
            "1",
            "--device",
            "cpu",
            "--out",
            str(tmp_path / TITLE.replace("/", "")),
        ]
    )
    assert "\\x1b" in shown(capsys), "the name of the run folder"
    assert app.main(["doctor", str(data)]) == 0
    assert r"\x1b[2J\x1b[31mred" in shown(capsys)


@pytest.mark.parametrize(
    "words",
    [
        ["score", f"{ESCAPE}.npz"],
        ["score", "digits", "--label-column", ESCAPE, f"--{ESCAPE}"],
        [f"{ESCAPE}"],
        ["score", "digits", "--noise", f"{ESCAPE}:0.1", "--out", "{}/run"],
        ["score", f"{ESCAPE}:make"],
        ["export", f"{ESCAPE}", "--format", "ids", "--out", "{}/x"],
        ["repair", "digits", "--model", f"{ESCAPE}", "--out", "{}/run"],
        ["score", f"{ESCAPE}.npz", "--debug"],
    ],
)
def test_no_error_prints_control_characters(words, tmp_path, capsys):
    assert app.main([word.replace("{}", str(tmp_path)) for word in words]) == 1
    assert r"\x1b[2J" in shown(capsys)


def test_a_failure_prints_and_keeps_no_control_characters(monkeypatch, tmp_path, capsys):
    def fail(*_):
        raise RuntimeError(ESCAPE)

    monkeypatch.setattr("unchaff.cli.examination.sections", fail)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert app.main(["doctor"]) == 2
    assert r"RuntimeError: \x1b[2J" in shown(capsys)
    (kept,) = tmp_path.iterdir()
    assert not STEERING.search(kept.read_text())
    assert app.main(["doctor", "--debug"]) == 2
    assert "Traceback" in shown(capsys)


def test_stages_and_bars_print_no_control_characters(capsys):
    from rich.console import Console
    from rich.progress import Progress

    console = Console(force_terminal=False)
    with Progress(*show._columns(console), console=console) as bars:
        shower = show.Bars(show._printer(console), tells_parts=True, bars=bars)
        stage = shower.begin(f"{TITLE}{MARKED}", 1, "samples")
        console.print(bars.get_renderable())
        shower.end(stage)
        shower.say(f"{ESCAPE}{MARKED}")
    shower = show.Lines(show._say)
    shower.end(shower.begin(ESCAPE, 1, "samples"))
    shower.enter(TITLE)
    shower.leave(TITLE)
    shower.say(TITLE)
    assert MARKED in shown(capsys)


def test_the_report_holds_no_markup_of_others(hostile):
    page = (hostile / "report.html").read_text()
    assert "<script" not in page
    assert "&lt;script" in page


def test_a_spreadsheet_sees_no_formula(hostile, tmp_path):
    FORMATS["cleanlab"](read(hostile), tmp_path / "issues.csv")
    table = csv.read_csv(tmp_path / "issues.csv")
    for name in ("id", "given_label", "predicted_label"):
        values = table.column(name).to_pylist()
        assert any(value.startswith("'=") for value in values)
        assert not [value for value in values if value[0] in "=+-@"]


def test_an_id_of_two_lines_is_not_two_ids(rows, quick, tmp_path, capsys):
    with np.load(rows) as held:
        np.savez(tmp_path / "data.npz", **held, ids=np.array([f"x\n{row}" for row in range(60)]))
    assert app.main(["score", str(tmp_path / "data.npz"), *quick, "--out", str(tmp_path / "run")]) == 0
    assert (
        app.main(["export", str(tmp_path / "run"), "--format", "ids", "--out", str(tmp_path / "ids.txt")])
        == 1
    )
    assert "is not one line. Use --format quality." in shown(capsys)
    assert not (tmp_path / "ids.txt").exists()


def test_names_of_files_are_names(pictures, capsys, tmp_path):
    for letter, name in (("a", f"{SCRIPT}{ESCAPE}"), ("b", "[bold]x\nError: forged.")):
        shutil.move(pictures / letter, pictures / name)
        (pictures / name / f"{TURNED}.png").write_bytes(b"broken")
    words = ["--model", "mlp", "--epochs", "1", "--device", "cpu", "--out", str(tmp_path / "run")]
    assert app.main(["score", str(pictures), *words]) == 0
    printed = shown(capsys)
    assert "\nError" not in printed
    assert "<script" not in (tmp_path / "run" / "report.html").read_text()
    assert app.main(["doctor", str(pictures), "--model", "mlp"]) == 0
    assert r"\u202egnp.exe.png" in shown(capsys)
    assert set(read(tmp_path / "run").class_names) == {f"{SCRIPT}{ESCAPE}", "[bold]x\nError: forged."}
