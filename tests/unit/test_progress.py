import pytest

from unchaff import progress


class Notes:
    def __init__(self):
        self.seen = []

    def begin(self, name, total, unit):
        self.seen.append((name, total, unit))
        return self

    def advance(self, count=1):
        self.seen.append(count)

    def end(self, stage):
        self.seen.append("end")

    def enter(self, part):
        self.seen.append(f"enter {part}")

    def leave(self, part):
        self.seen.append(f"leave {part}")

    def say(self, text):
        self.seen.append(text)


def test_the_listener_hears_a_stage():
    notes = Notes()
    with progress.shown_by(notes), progress.stage("score", 3) as stage:
        stage.advance()
        stage.advance(2)
    assert notes.seen == [("score", 3, "samples"), 1, 2, "end"]


def test_a_stage_called_like_its_part_is_named_once():
    notes = Notes()
    with progress.shown_by(notes), progress.part("control 5 of 6, retrain"), progress.stage("retrain", 3):
        pass
    assert ("control 5 of 6, retrain", 3, "samples") in notes.seen


def fail_inside(notes):
    with progress.shown_by(notes), progress.stage("score", 3):
        raise RuntimeError("stopped")


def test_a_stage_ends_when_an_error_ended_it():
    notes = Notes()
    with pytest.raises(RuntimeError, match="stopped"):
        fail_inside(notes)
    assert notes.seen[-1] == "end"


def test_nobody_hears_what_comes_after():
    notes = Notes()
    with progress.shown_by(notes):
        pass
    with progress.stage("score", 3) as stage:
        stage.advance()
    assert notes.seen == []


def test_a_part_names_its_stages_and_a_sentence_arrives_at_once():
    notes = Notes()
    with progress.shown_by(notes):
        progress.say("found")
        with progress.part("retrain"), progress.stage("train", 1, "steps"):
            pass
        with progress.stage("train", 1):
            pass
    inside = ["enter retrain", ("retrain: train", 1, "steps"), "end", "leave retrain"]
    assert notes.seen == ["found", *inside, ("train", 1, "samples"), "end"]
