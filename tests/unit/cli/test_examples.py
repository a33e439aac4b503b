"""The example in the help of every command works as it is printed."""

import os
import shlex
import shutil

import pytest

from unchaff.cli import app

SERVES = {"review"}  # goes on until it is stopped: its line is read, not run


def example(name, capsys):
    """Return the words of the example that `--help` prints."""
    assert app.main([name, "--help"]) == 0
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    (given,) = [line for line in lines if line.startswith(f"unchaff {name} ")]
    assert lines[lines.index(given) - 1] == "Example:"
    return shlex.split(given)[1:]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Return a folder in which `run` is a run folder, small but real."""
    folder = tmp_path_factory.mktemp("finished")
    words = ["repair", "digits", "--noise", "symmetric:0.4", "--epochs", "4", "--controls", "none"]
    assert app.main([*words, "--device", "cpu", "--out", str(folder / "run"), "--quiet"]) == 0
    return folder


@pytest.mark.parametrize("name", app.COMMANDS)
def test_the_example_works(name, finished, tmp_path, monkeypatch, capsys):
    words = example(name, capsys)
    if "run" in words and words[words.index("run") - 1] != "--out":
        shutil.copytree(finished / "run", tmp_path / "run")
    monkeypatch.chdir(tmp_path)
    if name in SERVES:
        command = app.typer.main.get_command(app.app).commands[name]
        command.make_context(name, words[1:])
        return
    assert app.main(words) == 0, capsys.readouterr().err
    if "--out" in words:
        assert os.path.exists(words[words.index("--out") + 1])  # noqa: PTH110  as typed
