import json
import os
import re
import shutil
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import closing

import pyarrow.parquet as pq
import pytest

from made_runs import run_of_pictures, write_rows, write_run
from unchaff.cli import app
from unchaff.review.session import Review
from unchaff.review.store import Store
from unchaff.runs.read import read

QUICK = ["--epochs", "3", "--model", "mlp", "--device", "cpu", "--controls", "quick"]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A run on rows of numbers a third of whose labels were changed, and the right labels."""
    folder = tmp_path_factory.mktemp("reviewed")
    right = write_rows(folder / "data.npz", 240)
    words = ["repair", str(folder / "data.npz"), *QUICK, "--noise", "symmetric:0.3"]
    assert app.main([*words, "--out", str(folder / "run")]) == 0
    return folder / "run", right


@pytest.fixture
def run(made, tmp_path):
    shutil.copytree(made[0], tmp_path / "run")
    return tmp_path / "run"


def decide(run, right, count=90):
    """Let somebody who knows the truth decide about the most informative samples."""
    from unchaff.review.suspects import Asked

    review = Review(read(run))
    for row in review.suspects.rows(Asked(order="informative", split="all"))[:count].tolist():
        label, given = int(right[review.suspects.ids[row]]), int(review.suspects.labels[row])
        kind = "keep" if label == given else "drop" if row % 3 == 0 else "relabel"
        review.decide(f"batch {row}", [row], kind, label if kind == "relabel" else None)
    answers = {one.id: one for one in review.store.decided()}
    review.store.close()
    return answers


def test_a_repair_takes_decisions_as_given(made, run, tmp_path, capsys):
    answers = decide(run, made[1])
    out = tmp_path / "again"
    words = ["repair", "--resume-from", str(run), "--decisions", "--out", str(out)]
    assert app.main(words) == 0
    said = capsys.readouterr().out
    kinds = [one.kind for one in answers.values()]
    counts = [kinds.count(kind) for kind in ("keep", "drop", "relabel")]
    assert min(counts) > 0
    assert "about 90 samples" in said
    assert "{} kept, {} dropped, {} relabelled".format(*counts) in said
    assert "90 answers of a person calibrate" in said
    before = json.loads((run / "manifest.json").read_text())
    after = json.loads((out / "manifest.json").read_text())
    assert after["weights"]["before_sha256"] == before["weights"]["before_sha256"], (
        "the same network, trained anew"
    )
    assert after["config"]["noise"] == "symmetric:0.3"
    table = {row["id"]: row for row in pq.read_table(out / "quality.parquet").to_pylist()}
    for id_, answer in answers.items():
        assert (table[id_]["quality"], table[id_]["kept"]) == (
            (0, False) if answer.kind == "drop" else (1, True)
        )
        if answer.kind != "drop":
            assert table[id_]["label"] == made[1][id_]
    assert len(table) == 240
    metrics = json.loads((out / "metrics.json").read_text())
    assert 216 - 90 <= metrics["detection"]["n"] <= 240 - 90, "of the 216 not held out, the undecided ones"
    ways = {"keep": "kept", "drop": "dropped", "relabel": "relabelled"}
    assert {id_: row["decided"] for id_, row in table.items() if row["decided"] is not None} == {
        id_: ways[answer.kind] for id_, answer in answers.items()
    }
    told, old = metrics["review"], json.loads((run / "metrics.json").read_text())
    assert [told[way] for way in ("kept", "dropped", "relabelled")] == counts
    assert (told["accuracy_before"], told["noise_before"]) == (
        old["after"]["accuracy"],
        old["noise_rate_estimate"],
    )
    page = (out / "report.html").read_text()
    assert app.main(["report", str(out)]) == 0
    assert (out / "report.html").read_text() == page
    review = Review(read(out))
    assert {one.id for one in review.store.decided()} == set(answers), "the review goes on in the new folder"
    review.store.close()


REFUSED = {
    "alone": (["--resume-from", "RUN"], "--resume-from and --decisions go together"),
    "nothing to resume": (["--decisions"], "--resume-from and --decisions go together"),
    "settled": (["--resume-from", "RUN", "--decisions", "--epochs", "9"], "--epochs is that of"),
    "said in another way": (
        ["--resume-from", "RUN", "--decisions", "--quiet", "--json"],
        "holds no decisions",
    ),
    "nothing decided": (["--resume-from", "RUN", "--decisions"], "holds no decisions"),
    "no run": (["--resume-from", "nowhere", "--decisions"], "There is no run folder nowhere"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_repeated_is_refused(run, capsys, name):
    words, said = REFUSED[name]
    assert app.main(["repair", *(str(run) if word == "RUN" else word for word in words)]) == 1
    assert said in capsys.readouterr().err


def changed(run, change):
    manifest = json.loads((run / "manifest.json").read_text())
    change(manifest["config"])
    (run / "manifest.json").write_text(json.dumps(manifest))


MANIFESTS = {
    "code as data": (lambda config: config.update(data="os:getcwd"), "Say DATA os:getcwd"),
    "code as network": (lambda config: config.update(model="os:getcwd"), "Say --model os:getcwd"),
    "code for training": (lambda config: config["options"].update(augment="<f>"), "Give it again"),
    "from Python": (lambda config: config.update(made="unchaff.repair"), "saved from Python"),
    "newer": (lambda config: config.update(warp=9), "does not know \\(warp\\)"),
    "data gone": (lambda config: config.update(data="gone.npz"), "gone.npz does not exist"),
}


@pytest.mark.parametrize("name", MANIFESTS)
def test_a_run_that_names_code_or_is_no_run_of_ours_is_refused(made, run, capsys, name):
    change, said = MANIFESTS[name]
    decide(run, made[1], count=1)
    changed(run, change)
    assert app.main(["repair", "--resume-from", str(run), "--decisions"]) == 1
    assert re.search(said, capsys.readouterr().err)


def test_a_folder_with_decisions_is_not_replaced(made, run, capsys):
    decide(run, made[1], count=1)
    assert app.main(["repair", "digits", *QUICK, "--out", str(run), "--overwrite"]) == 1
    assert "holds what a person decided" in capsys.readouterr().err
    assert (run / "decisions.sqlite").exists()


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_decisions_are_exported(made, run, tmp_path, capsys, monkeypatch, suffix):
    decide(run, made[1], count=5)
    closed, close = [], Store.close
    monkeypatch.setattr(Store, "close", lambda store: closed.append(1) or close(store))
    file = tmp_path / f"decisions.{suffix}"
    assert app.main(["review", str(run), "--export", str(file)]) == 0
    assert f"Written: {file}, 5 decisions" in capsys.readouterr().out
    assert file.stat().st_size
    assert closed == [1], "the file is let go"
    assert app.main(["review", str(run), "--export", str(file)]) == 1
    assert "--overwrite" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--export", "d.txt"], "written as .parquet or .csv, got .txt"),
        (["--export", "d.csv"], "holds no decisions"),
        (["--port", "65536"], "less than or equal to 65535"),
        (["--host", "not an address", "--no-browser"], "Nothing can listen on"),
    ],
)
def test_what_cannot_be_done_is_said(run, capsys, tmp_path, monkeypatch, words, said):
    monkeypatch.chdir(tmp_path)
    if words == ["--export", "d.txt"]:
        Review(read(run)).decide("a", [0], "keep", None)
    assert app.main(["review", str(run), *words]) == 1
    assert said in capsys.readouterr().err


def test_without_the_extra_it_says_what_to_install(run, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "starlette", None)
    assert app.main(["review", str(run), "--no-browser"]) == 1
    assert "pip install 'unchaff[review]'" in capsys.readouterr().err


def test_a_folder_that_is_no_run_is_refused(tmp_path, capsys):
    assert app.main(["review", str(tmp_path)]) == 1
    assert "is not a run folder" in capsys.readouterr().err


class Serving:
    """`unchaff review` in a process of its own."""

    def __init__(self, run, *words):
        command = [
            sys.executable,
            "-X",
            "faulthandler",
            "-m",
            "unchaff",
            "review",
            str(run),
            "--no-browser",
            *words,
        ]
        self.process = subprocess.Popen(  # noqa: S603
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={**os.environ}
        )
        self.said = ""
        while "http://" not in self.said:
            line = self.process.stdout.readline()
            assert line, f"it ended and said {self.said!r}"
            self.said += line
        self.url = re.search(r"http://\S+", self.said)[0]

    def ask(self, path, given=None):
        data = None if given is None else json.dumps(given).encode()
        request = urllib.request.Request(self.url + path, data, {"content-type": "application/json"})  # noqa: S310
        with urllib.request.urlopen(request, timeout=20) as reply:  # noqa: S310
            return json.load(reply)

    def end(self, how):
        self.process.send_signal(how)
        try:
            self.said += self.process.communicate(timeout=30)[0]
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGABRT)  # it says where it hangs
            self.said += self.process.communicate()[0]
            raise AssertionError(f"It did not end:\n{self.said}") from None
        return self.process.returncode


def test_ctrl_c_ends_it_and_it_says_where_the_decisions_are(tmp_path):
    run = run_of_pictures(tmp_path, ("cat", "dog"))
    serving = Serving(run)
    assert serving.url.startswith("http://127.0.0.1:")
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(serving.url.rpartition("/")[0][:-5] + "/about", timeout=20)  # noqa: S310
    serving.ask("decide", {"batch": "a", "rows": [0], "kind": "drop"})
    assert serving.end(signal.SIGINT) == 0, serving.said
    assert f"Decisions: 1 in {run / 'decisions.sqlite'}" in serving.said
    assert f"repair --resume-from {run} --decisions" in serving.said


def test_at_the_end_all_decisions_are_in_the_one_file(tmp_path):
    run = run_of_pictures(tmp_path, ("cat", "dog"))
    serving = Serving(run)
    serving.ask("decide", {"batch": "a", "rows": [0, 1], "kind": "drop"})
    serving.end(signal.SIGINT)
    (tmp_path / "copy").mkdir()
    shutil.copy(run / "decisions.sqlite", tmp_path / "copy")
    with closing(Store.look(tmp_path / "copy", ("cat", "dog"))) as copy:
        assert len(copy.decided()) == 2
    assert [file.name for file in run.glob("decisions*")] == ["decisions.sqlite"]


def test_without_decisions_no_repair_is_offered(tmp_path):
    run = run_of_pictures(tmp_path, ("cat", "dog"))
    serving = Serving(run)
    serving.ask("decide", {"batch": "a", "rows": [0], "kind": "drop"})
    serving.ask("undo", {"batch": "a"})
    assert serving.end(signal.SIGINT) == 0
    assert f"Nothing is decided yet. unchaff review {run} opens the page again." in serving.said
    assert "repair" not in serving.said


def test_an_answer_survives_a_kill_after_the_reply(tmp_path):
    run = run_of_pictures(tmp_path, ("cat", "dog"))
    serving = Serving(run)
    for row in range(3):
        serving.ask("decide", {"batch": f"batch {row}", "rows": [row], "kind": "drop"})
    serving.end(signal.SIGKILL)
    review = Review(read(run))
    assert len(review.store.decided()) == 3
    review.store.close()


def test_another_host_comes_with_a_warning(tmp_path):
    run = write_run(tmp_path / "run", ids=[1, 2], labels=[0, 1], suggested=[1, 1], quality=[0.1, 0.9])
    serving = Serving(run, "--host", "0.0.0.0")  # noqa: S104
    assert "Warning: whoever can reach" in serving.said
    assert serving.end(signal.SIGINT) == 0
