"""A run that is killed goes on where it stopped, and ends with the same bytes."""

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

import numpy as np
import pytest

from made_runs import write_rows
from unchaff import journal
from unchaff.cli import app

SETTINGS = [
    "--model", "mlp", "--epochs", "8", "--device", "cpu", "--noise", "symmetric:0.3", "--controls", "quick",
]  # fmt: skip
SAME = ("quality.parquet", "model.safetensors")
PARTS = 4  # of a run, each of which is interrupted once
# Loads everything once, and forks a run for each line. Every epoch is written down, so that any of them
# may be the one a run goes on from.
SERVER = """
import os, sys, matplotlib.backends.backend_svg, matplotlib.figure, torch, unchaff.journal
torch.set_num_threads(1)
unchaff.journal.EVERY = 0
from unchaff.bench import cell
from unchaff.cli import job, main
for line in sys.stdin:
    child = os.fork()
    if child == 0:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os.dup2(1, 2)
        os._exit(main(line.rstrip().split("\\t")))
    print(child, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    file = tmp_path_factory.mktemp("data") / "data.npz"
    write_rows(file, 240, apart=2)
    return str(file)


@pytest.fixture(scope="module")
def undisturbed(data, tmp_path_factory):
    """Return the hashes of the files of a run nothing happened to."""
    out = tmp_path_factory.mktemp("whole") / "run"
    assert app.main(["repair", data, *SETTINGS, "--out", str(out)]) == 0
    return hashes(out)


def hashes(run: Path):
    return {name: hashlib.sha256((run / name).read_bytes()).hexdigest() for name in SAME}


@pytest.fixture
def server():
    """Return a process that runs a command for each line, and says its number and how it ended."""
    source = str(Path(journal.__file__).parents[1])
    environment = {**os.environ, "PYTHONPATH": source, "OMP_NUM_THREADS": "1"}
    words = [sys.executable, "-c", SERVER]
    running = subprocess.Popen(  # noqa: S603
        words, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with running:
        yield running
        running.stdin.close()


def killed_after(server, words, seconds, *, begun):
    """Run a command, kill it so long after a folder is there, and return its exit code, -9 where it was."""
    server.stdin.write("\t".join(words) + "\n")
    server.stdin.flush()
    number = int(server.stdout.readline())
    until = None
    with suppress(ProcessLookupError):
        while until is None or time.monotonic() < until:
            os.kill(number, 0)  # is it still there?
            if until is None and begun.is_dir():
                until = time.monotonic() + seconds
            time.sleep(0.002)
        os.kill(number, signal.SIGKILL)
    return int(server.stdout.readline())


def test_killed_twenty_times_at_any_moment_it_ends_with_the_same_bytes(data, undisturbed, server, tmp_path):
    draw = random.Random(0)  # noqa: S311
    longest, kills, halfway, runs = 60.0, 0, 0, 0
    while kills < 20:
        out = tmp_path / f"run{runs}"
        words = ["repair", data, *SETTINGS, "--out", str(out), "--resume"]
        # The first also loads what the process has not loaded yet, the second says how long one takes.
        moment = draw.uniform(0.02, longest) if runs > 1 else longest
        begun, afresh = time.monotonic(), not out.exists()
        if runs % 2 and runs > 1:  # soon after it wrote something down, on a machine of any speed
            code = killed_after(server, words, moment / 4, begun=out / "unfinished")
        else:
            code = killed_after(server, words, moment, begun=tmp_path)
        if code == 0:
            assert hashes(out) == undisturbed, f"after {kills} kills"
            assert not (out / "unfinished").exists()
            assert not list(tmp_path.glob(".run*")), "what was written aside is tidied up"
            if afresh and runs > 0:  # a machine that has become faster or slower
                longest = time.monotonic() - begun
            runs += 1
            continue
        assert code == -signal.SIGKILL
        kills += 1
        halfway += (out / "unfinished").is_dir()
        if (out / "model.safetensors").exists():  # killed at the very end: it must be whole
            assert hashes(out) == undisturbed, f"after {kills} kills"
    assert halfway >= 5, "it was hardly ever killed in the middle"


@contextmanager
def interrupted_at(call=None):
    """Press Ctrl-C at so many calls of functions, however fast the machine is; yield the number so far."""
    calls = count(1)

    def counted(_frame, event, _argument):
        if event == "call" and next(calls) == call:
            raise KeyboardInterrupt

    sys.setprofile(counted)
    try:
        yield calls
    finally:
        sys.setprofile(None)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # within a clean-up: not seen
def test_interrupted_at_any_moment_it_can_go_on(data, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(journal, "EVERY", 0)
    settings = [*SETTINGS[:2], "--epochs", "3", *SETTINGS[4:-1], "none"]
    for attempt in range(2):  # the first also loads what the process has not loaded yet
        with interrupted_at() as calls:
            assert app.main(["repair", data, *settings, "--out", str(tmp_path / f"whole{attempt}")]) == 0
    longest, undisturbed = next(calls), hashes(tmp_path / "whole0")
    draw, interrupts = random.Random(0), 0  # noqa: S311
    for part in range(PARTS):
        out = tmp_path / f"run{part}"
        words = ["repair", data, *settings, "--out", str(out), "--resume"]
        # Once in each part of a run, and again on the way that was left.
        for moment in ((part + draw.random()) / PARTS, draw.uniform(0, 1 - part / PARTS)):
            with interrupted_at(1 + int(moment * longest)):
                code = app.main(words)
            said = capsys.readouterr().err.splitlines()
            assert not list(tmp_path.glob(".*")), "nothing is half-written"
            assert code in (0, 130)
            interrupts += code == 130
            assert code == 0 or said[-1].startswith("Interrupted; ")
            if (out / "model.safetensors").exists():  # interrupted at the very end: it must be whole
                assert hashes(out) == undisturbed
            elif out.exists():
                assert [place.name for place in out.iterdir()] == ["unfinished"]
        assert app.main(words) == 0
        assert hashes(out) == undisturbed
    assert interrupts >= PARTS, "it was hardly ever interrupted in the middle"


class Stop(Exception):  # noqa: N818
    """Not one of ours: what a full disk or a power cut looks like from inside."""


@pytest.fixture
def stopped(data, tmp_path, monkeypatch):
    """Return a run folder whose run stopped after so many writes of its journal."""

    def stop(after, error=Stop):
        put, seen = journal.Journal.put, []

        def counting(self, name, content):
            put(self, name, content)
            seen.append(name)
            if len(seen) == after:
                raise error

        with monkeypatch.context() as patched:
            patched.setattr(journal, "EVERY", 0)
            patched.setattr(journal.Journal, "put", counting)
            assert app.main(["repair", data, *SETTINGS, "--out", str(tmp_path / "run")]) != 0
        return tmp_path / "run"

    return stop


@pytest.mark.parametrize("after", [1, 5, 9, 13, 17])
def test_it_goes_on_after_any_write(data, undisturbed, stopped, after):
    out = stopped(after)
    written = len(list((out / "unfinished").glob("*.safetensors")))
    assert written > 0
    assert app.main(["repair", data, *SETTINGS, "--out", str(out), "--resume"]) == 0
    assert hashes(out) == undisturbed


def test_an_interrupted_run_says_how_to_go_on(stopped, capsys):
    out = stopped(5, KeyboardInterrupt)
    assert (
        f"Interrupted; to go on, give the same command with --out {out} --resume." in capsys.readouterr().err
    )


def test_what_is_unfinished_is_neither_read_nor_replaced_by_chance(data, stopped, capsys):
    out = stopped(5)
    assert app.main(["repair", data, *SETTINGS, "--out", str(out)]) == 1
    assert "holds an unfinished run. Go on with --resume" in capsys.readouterr().err
    assert app.main(["repair", data, *SETTINGS, "--out", str(out), "--overwrite"]) == 0


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--seed", "3"], "in its settings: seed was 0 and is 3"),
        (["--budget", "0.5"], "in its settings: budget was null and is 0.5"),
        (["--augment", "none"], 'in its settings: options.augment was null and is "none"'),
        (["--mean", "1,2,3"], "in its settings: options.mean was null and is [1.0, 2.0, 3.0]"),
    ],
)
def test_a_changed_setting_is_named(data, stopped, capsys, more, said):
    out = stopped(5)
    assert app.main(["repair", data, *SETTINGS, *more, "--out", str(out), "--resume"]) == 1
    assert said in capsys.readouterr().err
    assert (out / "unfinished").is_dir(), "nothing is lost"


def test_a_named_augmentation_is_the_same_in_the_next_process(data, tmp_path, capsys):
    words = ["score", data, *SETTINGS[:-2], "--augment", "none", "--out", str(tmp_path / "run"), "--resume"]
    assert app.main(words) == 0
    assert (
        json.loads((tmp_path / "run" / "manifest.json").read_text())["config"]["options"]["augment"] == "none"
    )
    assert app.main(words) == 0
    assert "is finished: nothing is left to do" in capsys.readouterr().out


def test_a_long_value_is_shown_where_it_differs():
    then, now = ({"options": {"column": 90 * "a" + end}} for end in ("b", "c"))
    assert journal.difference(then, now) == f'options.column was ...{20 * "a"}b" and is ...{20 * "a"}c"'
    assert journal.difference({"a": {"b": 1}}, {"a": None}) == 'a was {"b": 1} and is null'
    assert journal.difference({"a": [1]}, {"a": [1]}) == ""


def test_changed_data_are_noticed(data, stopped, capsys):
    out = stopped(5)
    held = Path(data).read_bytes()
    with np.load(data) as arrays:
        np.savez(data, x=arrays["x"] + 1, y=arrays["y"])
    try:
        assert app.main(["repair", data, *SETTINGS, "--out", str(out), "--resume"]) == 1
    finally:
        Path(data).write_bytes(held)
    assert "inputs_sha256 was" in capsys.readouterr().err


def test_a_broken_journal_is_named(data, stopped, capsys):
    out = stopped(5)
    file = next((out / "unfinished").glob("*.safetensors"))
    file.write_bytes(file.read_bytes()[:100])
    assert app.main(["repair", data, *SETTINGS, "--out", str(out), "--resume"]) == 1
    assert "Begin anew with --overwrite" in capsys.readouterr().err


def test_there_must_be_something_to_resume(data, tmp_path, capsys):
    assert app.main(["repair", data, *SETTINGS, "--resume"]) == 1
    assert "--resume needs --out" in capsys.readouterr().err
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "notes.txt").touch()
    assert app.main(["repair", data, *SETTINGS, "--out", str(tmp_path / "run"), "--resume"]) == 1
    assert "nothing to resume" in capsys.readouterr().err


def test_a_finished_run_is_not_made_again(data, tmp_path, capsys):
    words = ["score", data, *SETTINGS[:-2], "--out", str(tmp_path / "run"), "--resume"]
    assert app.main(words) == 0
    made = (tmp_path / "run" / "manifest.json").stat().st_mtime_ns
    assert app.main(words) == 0
    assert "is finished: nothing is left to do" in capsys.readouterr().out
    assert (tmp_path / "run" / "manifest.json").stat().st_mtime_ns == made
    assert app.main([*words, "--fail-if-noise-above", "0.001"]) == 3, "the gate is asked again"
    assert app.main([*words, "--seed", "3"]) == 1
    assert "had other settings: seed was 0 and is 3" in capsys.readouterr().err


def test_a_score_is_no_finished_repair(data, tmp_path, capsys):
    words = [data, *SETTINGS[:-2], "--out", str(tmp_path / "run")]
    assert app.main(["score", *words]) == 0
    assert app.main(["repair", *words, "--resume"]) == 1
    assert 'had other settings: command was "score" and is "repair"' in capsys.readouterr().err


def test_an_unfinished_repair_is_not_gone_on_with_as_a_score(data, stopped, capsys):
    out = stopped(5)
    assert app.main(["score", data, *SETTINGS[:-2], "--out", str(out), "--resume"]) == 1
    assert 'differs in its settings: command was "repair" and is "score"' in capsys.readouterr().err
    assert (out / "unfinished").is_dir(), "nothing is lost"


def test_a_finished_run_of_changed_data_is_not_taken_for_done(tmp_path, capsys):
    file = tmp_path / "data.npz"
    write_rows(file, 240, apart=2)
    words = ["score", str(file), *SETTINGS[:-2], "--out", str(tmp_path / "run"), "--resume"]
    assert app.main(words) == 0
    with np.load(file) as arrays:
        np.savez(file, x=arrays["x"], y=(arrays["y"] + 1) % 3)
    assert app.main(words) == 1
    assert "had other data: ids_and_labels_sha256 was" in capsys.readouterr().err


@pytest.fixture
def replacing(data, stopped, tmp_path):
    """Return the folder of a finished run, and the journal of a repair beside it that was to replace it."""
    begun = stopped(5).rename(tmp_path / "begun")
    out = tmp_path / "run"
    assert app.main(["score", data, *SETTINGS[:-2], "--out", str(out)]) == 0
    (begun / "unfinished").rename(out / "unfinished")
    return out


@pytest.mark.parametrize("more", [["--resume"], ["--overwrite", "--resume"]])
def test_an_interrupted_replacement_goes_on(data, undisturbed, replacing, more):
    assert app.main(["repair", data, *SETTINGS, "--out", str(replacing), *more]) == 0
    assert hashes(replacing) == undisturbed
    assert not (replacing / "unfinished").exists()


def test_a_replacement_begins_anew_whatever_was_left_of_another(data, replacing, capsys):
    words = ["score", data, *SETTINGS[:-2], "--seed", "3", "--out", str(replacing)]
    assert app.main(words) == 1
    assert "holds an unfinished run. Go on with --resume, begin anew" in capsys.readouterr().err
    assert app.main([*words, "--overwrite"]) == 0
    assert json.loads((replacing / "manifest.json").read_text())["seed"] == 3
    assert not (replacing / "unfinished").exists()


def test_a_run_stays_until_what_replaces_it_is_whole(data, tmp_path, monkeypatch):
    words = ["score", data, *SETTINGS[:-2], "--out", str(tmp_path / "run")]
    assert app.main(words) == 0
    held = (tmp_path / "run" / "quality.parquet").read_bytes()
    words = [*words, "--seed", "3", "--overwrite"]
    put = journal.Journal.put

    def stopping(self, name, content):
        put(self, name, content)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(journal, "EVERY", 0)
        patched.setattr(journal.Journal, "put", stopping)
        assert app.main(words) == 130
    assert (tmp_path / "run" / "quality.parquet").read_bytes() == held
    assert app.main([*words, "--resume"]) == 0, "what it said to do"
    assert json.loads((tmp_path / "run" / "manifest.json").read_text())["seed"] == 3
    assert app.main([*words, "--resume"]) == 0, "and again, when nothing is left to do"
    assert app.main([*words[:-3], "--overwrite", "--resume"]) == 0, "one of other settings is replaced"
    assert json.loads((tmp_path / "run" / "manifest.json").read_text())["seed"] == 0


def test_a_folder_of_something_else_is_left_alone(data, tmp_path):
    (tmp_path / "run" / "unfinished").mkdir(parents=True)
    (tmp_path / "run" / "notes.txt").touch()
    assert app.main(["score", data, *SETTINGS[:-2], "--out", str(tmp_path / "run"), "--overwrite"]) == 1
    assert (tmp_path / "run" / "unfinished").is_dir()


def test_a_run_killed_while_it_replaced_another_loses_neither(data, stopped, undisturbed):
    out = stopped(9)
    out.rename(out.parent / f".{out.name}.0123abcd.partial.old")
    (out.parent / f".{out.name}.0123abcd.partial").mkdir()
    assert app.main(["repair", data, *SETTINGS, "--out", str(out), "--resume"]) == 0
    assert hashes(out) == undisturbed
    assert [place.name for place in out.parent.iterdir()] == [out.name]


def test_bad_input_leaves_nothing_to_resume(tmp_path):
    assert app.main(["repair", str(tmp_path / "none.npz"), "--out", str(tmp_path / "run")]) == 1
    assert not (tmp_path / "run").exists()
