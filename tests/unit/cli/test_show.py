import io

import pytest
from rich.console import Console
from rich.progress import Progress

from unchaff import progress
from unchaff.cli import show


class Clock:
    """Seconds that pass when told."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def said():
    return []


@pytest.fixture
def listener(clock, said):
    return show.Lines(said.append, clock=clock)


def test_a_stage_is_one_line_where_there_is_no_terminal(capsys):
    with show.stages(), progress.stage("score", 3) as stage:
        stage.advance()
        stage.advance(2)
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "score: 3 samples in 0.0 s\n"


@pytest.mark.parametrize(("kind", "listens"), [("xterm", "Bars"), ("dumb", "Lines")])
def test_a_terminal_that_cannot_go_back_has_no_bars(monkeypatch, kind, listens):
    monkeypatch.setenv("TERM", kind)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    with show.stages():
        assert type(progress._listener.get()).__name__ == listens


def test_quiet_says_nothing(capsys):
    with show.stages(quiet=True), progress.stage("score", 3):
        progress.say("found")
    assert capsys.readouterr() == ("", "")


def test_a_long_stage_tells_its_rate_and_the_time_that_is_left(listener, clock, said):
    with progress.shown_by(listener), progress.stage("train", 4000, "steps") as stage:
        clock.now = 20.0
        stage.advance(1000)
        clock.now = 80.0
        stage.advance(3000)
    assert said == [
        "train: 1,000 of 4,000 steps, 50 a second, 1.0 min left",
        "train: 4,000 steps in 1.3 min, 50 a second",
    ]


def test_lines_come_at_a_sensible_pace(listener, clock, said):
    """Ten minutes of steps: at first after 10 s, then twice as long each time, at last every minute."""
    with progress.shown_by(listener), progress.stage("train", 6000, "steps") as stage:
        spoken = []
        for step in range(5999):
            clock.now = step / 10
            stage.advance()
            if len(said) > len(spoken):
                spoken.append(clock.now)
    assert spoken[:4] == pytest.approx([10, 30, 70, 130], abs=0.5)
    assert len(spoken) == 11


def test_a_stage_that_was_stopped_says_how_far_it_came(listener, said):
    with progress.shown_by(listener), progress.stage("train", 10, "steps") as stage:
        stage.advance(4)
    assert said == ["train: 4 of 10 steps in 0.0 s"]


def test_a_control_is_one_line_whatever_it_does(listener, clock, said):
    with progress.shown_by(listener):
        with progress.part("control 1 of 1, retrain"):
            with progress.stage("train", 10), progress.stage("read", 1):
                clock.now = 3.0
            progress.say("Halved.")
        with progress.stage("score", 2) as stage:
            stage.advance(2)
    assert said == ["Halved.", "control 1 of 1, retrain: 3.0 s", "score: 2 samples in 0.0 s"]


def test_parts_may_be_left_to_others(said):
    with progress.shown_by(show.Lines(said.append, tells_parts=False)), progress.part("row"):
        pass
    assert said == []


def shown_on(width):
    """Return what a terminal of a width is sent while a stage runs to its end."""
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, width=width)
    with Progress(*show._columns(console), console=console, transient=True) as bars:
        listener = show.Bars(show._printer(console), tells_parts=True, bars=bars)
        with progress.shown_by(listener), progress.stage("score", 4) as stage:
            stage.advance(3)
            bars.refresh()
            assert [task.completed for task in bars.tasks] == [3]
            stage.advance()
        assert bars.tasks == []
    return file.getvalue()


def test_a_stage_is_a_bar_on_a_terminal_and_then_a_line():
    sent = shown_on(100)
    assert "\u2501" in sent
    assert "score: 3 of 4 samples" in sent
    assert "score: 4 samples in 0.0 s\n" in sent


def test_a_narrow_terminal_has_no_bar():
    sent = shown_on(40)
    assert "\u2501" not in sent
    assert "score: 4 samples in 0.0 s\n" in sent
