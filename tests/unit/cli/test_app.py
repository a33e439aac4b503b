import os
import subprocess
import sys
from pathlib import Path

import pytest

import unchaff
from unchaff.cli import app
from unchaff.errors import DataError

SOURCE = {
    **{k: v for k, v in os.environ.items() if k != "OMP_WAIT_POLICY"},
    "PYTHONPATH": str(Path(unchaff.__file__).parents[1]),
}


def fresh(program, **environment):
    """Run Python code in a process of its own, and return what it printed."""
    words = [sys.executable, "-c", program]
    done = subprocess.run(words, capture_output=True, text=True, check=True, env=SOURCE | environment)  # noqa: S603
    return done.stdout.split()


def test_the_package_itself_is_the_program():
    words = [sys.executable, "-m", "unchaff", "--version"]
    done = subprocess.run(words, capture_output=True, text=True, check=True, env=SOURCE)  # noqa: S603
    assert done.stdout.startswith("unchaff ")


def test_starting_up_imports_nothing_heavy():
    heavy = "torch", "numpy", "scipy", "sklearn", "pyarrow", "matplotlib", "jaxtyping"
    assert fresh(f"import sys, unchaff.cli; print(*(m for m in {heavy} if m in sys.modules))") == []


@pytest.mark.parametrize(("given", "used"), [({}, "PASSIVE"), ({"OMP_WAIT_POLICY": "ACTIVE"}, "ACTIVE")])
def test_waiting_threads_sleep_unless_told_otherwise(given, used):
    program = (
        "import os; from unchaff.cli import main; main(['--version']); print(os.environ['OMP_WAIT_POLICY'])"
    )
    assert fresh(program, **given)[-1] == used


@pytest.mark.parametrize("words", [["--help"], ["repair", "--help"], ["score", "-h"], [], ["--version"]])
def test_help_is_no_error(words, capsys):
    assert app.main(words) == 0
    assert "unchaff" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["zzz"], "No such command 'zzz'. See unchaff --help."),
        (["repiar"], "No such command 'repiar'. Did you mean repair? See unchaff --help."),
        (
            ["repair", "--metod", "x"],
            "No such option: --metod. Did you mean --method? See unchaff repair --help.",
        ),
        (["repair", "--inmemory"], "No such option: --inmemory. Did you mean --in-memory?"),
        (["bench", "smok"], "Invalid value for 'suite': 'smok' is not one of 'smoke', 'cpu'"),
        (["bench"], "Missing argument 'suite'"),
        (["repair", "--method"], "Option '--method' requires an argument."),
        (["inject", "digits"], "Missing option '--noise'"),
        (["repair", "--rows", "many"], "Invalid value for '--rows'"),
        (["repair", "--rows", "0"], "Invalid value for '--rows'"),
        (["repair", "--device", "tpu"], "tpu"),
        (["repair", "--holdout", "0.9"], "Invalid value for '--holdout'"),
    ],
)
def test_wrong_usage_is_one_sentence_and_code_1(words, message, capsys):
    assert app.main(words) == 1
    said = capsys.readouterr().err
    assert message in said
    assert "--help" in said
    assert "Traceback" not in said
    assert said.count("\n") == 1


def end_with(monkeypatch, error):
    def work(*_args, **_kwargs):
        raise error

    monkeypatch.setattr("unchaff.cli.examination.sections", work)


def test_a_users_error_is_one_sentence_and_code_1(monkeypatch, capsys):
    end_with(monkeypatch, DataError("The folder is empty. Give one with images."))
    assert app.main(["doctor"]) == 1
    assert capsys.readouterr().err == "Error: The folder is empty. Give one with images.\n"


def test_debug_adds_the_traceback(monkeypatch, capsys):
    end_with(monkeypatch, DataError("The folder is empty."))
    assert app.main(["doctor", "--debug"]) == 1
    said = capsys.readouterr().err
    assert "Traceback" in said
    assert "Error: The folder is empty." in said


def test_an_unexpected_error_is_code_2_and_keeps_its_traceback(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    end_with(monkeypatch, ZeroDivisionError("division\nby zero"))
    assert app.main(["doctor"]) == 2
    said = capsys.readouterr().err
    assert "The run failed: ZeroDivisionError: division by zero" in said
    assert "Traceback" not in said
    (log,) = tmp_path.glob("unchaff-*.log")
    assert str(log) in said
    assert "ZeroDivisionError" in log.read_text()


def test_an_interruption_is_code_130(monkeypatch, capsys):
    end_with(monkeypatch, KeyboardInterrupt())
    assert app.main(["doctor"]) == 130
    assert "nothing was written" in capsys.readouterr().err
