import io

from rich.console import Console
from rich.progress import Progress

from unchaff import progress
from unchaff.cli import show


def test_a_stage_is_one_line_where_there_is_no_terminal(capsys):
    with show.stages(), progress.stage("score", 3) as stage:
        stage.advance()
        stage.advance(2)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("score: 3 of 3, ")
    assert err.count("\n") == 1


def test_a_long_stage_speaks_now_and_then(monkeypatch):
    monkeypatch.setattr(show, "EVERY", -1.0)
    said = []
    with progress.shown_by(show.Lines(said.append)), progress.stage("train", 2) as stage:
        stage.advance()
        stage.advance()
    assert [line.split(",")[0] for line in said] == ["train: 1 of 2", "train: 2 of 2"]


def test_a_stage_is_a_bar_on_a_terminal():
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, width=80)
    with Progress(console=console) as bars, progress.shown_by(show.Bars(bars)):
        with progress.stage("score", 4) as stage:
            stage.advance(4)
        assert [(task.description, task.completed) for task in bars.tasks] == [("score", 4)]
        assert bars.finished
    assert "score" in file.getvalue()
