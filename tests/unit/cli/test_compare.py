import json
import re
from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import pyarrow.parquet as pq
import pytest
from safetensors.torch import load_file, save_file

from made_runs import write_rows
from unchaff.bench import contenders
from unchaff.bench.comparison import entrants
from unchaff.cli import app
from unchaff.errors import ModelError, NeedsError, TrainingError
from unchaff.methods import METHODS
from unchaff.streams import Streams
from unchaff.train import loop


@pytest.fixture
def data(tmp_path):
    write_rows(tmp_path / "data.npz", 240, apart=2)
    return tmp_path / "data.npz"


@pytest.fixture
def compare(data, tmp_path):
    words = ["compare", str(data), "--noise", "symmetric:0.3", "--model", "mlp", "--epochs", "4"]
    words += ["--device", "cpu", "--out", str(tmp_path / "out")]
    return lambda *more: app.main([*words, *more])


def rows(tmp_path):
    table = pq.read_table(tmp_path / "out" / "results.parquet")
    return {(row["method"], row["seed"]): row for row in table.to_pylist()}


def test_methods_run_side_by_side_at_their_own_cost_and_at_the_same(compare, tmp_path, capsys):
    methods = "nothing,unlearn,gce,oracle,published"
    assert compare("--methods", methods, "--seeds", "0,1", "--budget", "0.5") == 0
    said = capsys.readouterr().out
    first, second = said.split("All at the cost of 0.5 full trainings")
    assert "Each at its own cost" in first
    for name in ("nothing", "unlearn@0.25", "gce@1", "oracle", "published"):
        assert f"\n{name} " in first, name
    second, last = second.split("\ncomparison: What the methods set aside")
    assert [line.split()[0] for line in second.splitlines()[3:] if line] == [
        "nothing", "unlearn@0.5", "gce@0.5", "oracle",
    ]  # fmt: skip
    assert re.search(r"^published +Its cost is its own. It is in the first table only", last, re.MULTILINE)
    assert not re.search(r"^nothing .*in the first table only", last, re.MULTILINE), "it is in both"
    assert "Sources: unchaff cite unlearn gce published" in said
    made = rows(tmp_path)
    assert {seed for _, seed in made} == {0, 1}
    assert made["gce@0.5", 0]["share_flops"] == pytest.approx(0.5, abs=0.01)
    assert made["gce@0.5", 0]["share_with_start"] == made["gce@0.5", 0]["share_flops"]
    ours = made["unlearn@0.5", 0]
    assert ours["share_with_start"] == pytest.approx(1 + ours["share_flops"])
    assert made["nothing", 0]["accuracy"] != made["nothing", 1]["accuracy"]
    page = (tmp_path / "out" / "index.html").read_text()
    assert "the same finished network" in page
    assert "Left out" in page


def test_the_page_says_which_samples_the_accuracies_are_of(compare, data, tmp_path):
    assert compare("--methods", "nothing", "--seeds", "0") == 0
    page = tmp_path / "out" / "index.html"
    assert "on held-out samples with their noisy labels" in page.read_text()
    elsewhere = ("--test", str(data), "--out", str(tmp_path / "tested"))
    assert compare("--methods", "nothing", "--seeds", "0", *elsewhere) == 0
    assert "on the test samples" in (tmp_path / "tested" / "index.html").read_text()


def test_what_was_measured_is_not_run_again_and_more_can_be_added(compare, tmp_path, capsys):
    assert compare("--methods", "gce", "--seeds", "0", "--own-only") == 0
    before = rows(tmp_path)
    capsys.readouterr()
    assert compare("--methods", "gce,retrain", "--seeds", "0,1", "--own-only") == 0
    said = capsys.readouterr().err
    assert "comparison/gce@1/0: accuracy" not in said
    assert "comparison/retrain@1/1: accuracy" in said
    assert rows(tmp_path)["gce@1", 0] == before["gce@1", 0]
    assert "full training" not in (tmp_path / "out" / "index.html").read_text().split("<h3>")[1]


def test_an_interrupted_comparison_goes_on_row_by_row(compare, tmp_path, capsys, monkeypatch):
    known, calls = contenders.contender, []

    def contender(name, **options):
        calls.append(name)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return known(name, **options)

    with monkeypatch.context() as patched:
        patched.setattr(contenders, "contender", contender)
        assert compare("--methods", "gce,retrain", "--seeds", "0", "--own-only") == 130
    assert f"Interrupted; to go on, give the same command with --out {tmp_path / 'out'}." in (
        capsys.readouterr().err
    )
    assert not list((tmp_path / "out").glob("*.parquet"))
    assert compare("--methods", "gce,retrain", "--seeds", "0", "--own-only") == 0
    said = capsys.readouterr().err
    assert "gce@1/0" not in said
    assert "retrain@1/0: accuracy" in said
    assert len(rows(tmp_path)) == 3


def test_other_data_or_settings_in_the_same_folder_are_refused(compare, data, capsys):
    assert compare("--methods", "nothing", "--seeds", "0") == 0
    assert compare("--methods", "nothing", "--seeds", "0", "--holdout", "0.2") == 1
    assert "was begun with something else: settings.holdout was 0.1 and is 0.2" in capsys.readouterr().err
    with np.load(data) as arrays:
        np.savez(data, x=arrays["x"] + 1, y=arrays["y"])
    assert compare("--methods", "nothing,gce", "--seeds", "0") == 1
    assert "was begun with something else: data 0." in capsys.readouterr().err


@pytest.mark.parametrize("error", [NeedsError, ModelError, TrainingError])
def test_a_method_that_cannot_run_is_left_out_by_name(compare, tmp_path, capsys, monkeypatch, error):
    def lacking(*_, **__):
        raise error("gce needs pictures, and these are tables. Leave it out.")

    monkeypatch.setattr(type(METHODS["gce"]), "__call__", lacking)
    assert compare("--methods", "gce,nothing", "--seeds", "0", "--own-only", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["left_out"] == ["gce@1"]
    assert "gce needs pictures, and these are tables." in (tmp_path / "out" / "index.html").read_text()
    assert rows(tmp_path)["gce@1", 0]["accuracy"] is None


UNCHANGED = {
    "published": 1.0,  # of its trainings see inputs as they are: it is as it was published
    "ssl-plr": 0.5,  # it brings changes of its own, which grow from stage to stage
}
COMPARED = [
    pytest.param(name, marks=pytest.mark.skipif(
        name == "confident-learning" and find_spec("cleanlab") is None, reason="cleanlab is not installed"
    ))
    for name in (*METHODS, *contenders.WITH_TRUTH)
]  # fmt: skip


@pytest.mark.parametrize("name", COMPARED)
def test_every_method_can_be_compared_and_sees_what_all_others_see(name, toy, monkeypatch):
    """Every training on the inputs themselves: what is learned from features sees no input."""
    seen = []

    class Watched(loop.Training):
        def __init__(self, model, samples, phase, **options):
            if samples.kind == toy.observed.train.kind:
                seen.append(phase.augment or any(view != "plain" for view in phase.views))
            super().__init__(model, samples, phase, **options)

    monkeypatch.setattr(loop, "Training", Watched)
    brief = replace(toy.trained, recipe=replace(toy.trained.recipe, epochs=2))
    (entrant,) = entrants([name], 1.0)
    for row in {entrant.own, entrant.equal} - {None}:
        seen.clear()
        contenders.contender(row, truth=toy.truth)(brief, toy.observed, streams=Streams(0))
        assert seen.count(False) <= UNCHANGED.get(name, 0) * len(seen), row


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--methods", "nix"], "There is no method 'nix'. Allowed: unlearn, "),
        (["--methods", "published@2"], "The method published takes no budget"),
        (["--methods", ","], "--methods names no method"),
        (["--seeds", "a"], "--seeds must be whole numbers with commas, got 'a'"),
        (["--budget", "0"], "--budget must be above 0, got 0.0"),
        (["--budget", "nan"], "--budget must be above 0, got nan"),
        (["--seeds", "²"], "--seeds must be whole numbers"),
    ],
)
def test_wrong_words_are_one_sentence(compare, tmp_path, capsys, words, message):
    assert compare(*words) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_nothing_is_chosen_on_what_is_measured(compare, tmp_path):
    """Without a test set the hold-out is what is measured on: a method sets aside validation of its own."""
    assert compare("--methods", "early-stop", "--seeds", "0", "--own-only") == 0
    note = rows(tmp_path)["early-stop-augmented", 0]["notes"]
    best = float(re.search(r"noisy validation \(([\d.]+)%\)", note)[1]) / 100
    train = 240 - 24
    assert best * round(0.1 * train) == pytest.approx(round(best * round(0.1 * train)), abs=0.02)


def test_other_measures_are_columns_whichever_row_is_first(compare, tmp_path):
    assert compare("--methods", "unlearn", "--seeds", "0", "--own-only") == 0
    made = rows(tmp_path)
    assert made["unlearn@0.25", 0]["label_error"] is not None
    assert made["nothing", 0]["label_error"] is None


@pytest.mark.parametrize("what", ["--test", "--weights"])
def test_other_tests_or_weights_of_the_same_name_are_refused(compare, tmp_path, capsys, what):
    if what == "--test":
        file = tmp_path / "other.npz"
        write_rows(file, 90, apart=2)
    else:
        assert app.main(["repair", str(tmp_path / "data.npz"), "--model", "mlp", "--epochs", "1",
                         "--controls", "none", "--out", str(tmp_path / "run")]) == 0  # fmt: skip
        file = tmp_path / "run" / "model.safetensors"
    assert compare("--methods", "nothing", "--seeds", "0", what, str(file)) == 0
    if what == "--test":
        write_rows(file, 90, apart=1)
    else:
        weights = load_file(file)
        save_file({name: each + 0.1 for name, each in weights.items()}, file)
    assert compare("--methods", "gce", "--seeds", "0", what, str(file)) == 1
    assert "was begun with something else" in capsys.readouterr().err


def test_shares_of_a_training_nobody_knows_are_marked_as_estimated(compare, tmp_path, capsys):
    words = ["repair", str(tmp_path / "data.npz"), "--model", "mlp", "--epochs", "1", "--controls", "none"]
    assert app.main([*words, "--out", str(tmp_path / "run")]) == 0
    assert compare("--methods", "gce", "--seeds", "0", "--own-only") == 0
    known, page = rows(tmp_path), (tmp_path / "out" / "index.html").read_text()
    assert not any(row["share_is_estimated"] for row in known.values())
    assert "are estimated" not in page + capsys.readouterr().out
    weights, out = tmp_path / "run" / "model.safetensors", tmp_path / "brought"
    more = ("--weights", str(weights), "--out", str(out))
    assert compare("--methods", "gce", "--seeds", "0", "--own-only", *more) == 0
    assert "Cost shares and budgets are estimated" in (out / "index.html").read_text()
    assert "Cost shares and budgets are estimated" in capsys.readouterr().out
    assert all(row["share_is_estimated"] for row in pq.read_table(out / "results.parquet").to_pylist())


def test_a_network_that_answers_with_an_object_goes_on_too(tmp_path, monkeypatch, capsys):
    (tmp_path / "answers.py").write_text(
        "from torch import nn\n"
        "class Net(nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.inner = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3))\n"
        "    def forward(self, x):\n"
        "        return {'logits': self.inner(x)}\n"
        "def make(num_classes, input_shape):\n"
        "    return Net()\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    write_rows(tmp_path / "data.npz", 120)
    words = ["compare", str(tmp_path / "data.npz"), "--model", "answers:make", "--epochs", "2"]
    words += ["--seeds", "0", "--own-only", "--out", str(tmp_path / "out"), "--methods"]
    assert app.main([*words, "nothing"]) == 0
    assert app.main([*words, "nothing,retrain"]) == 0, capsys.readouterr().err


def test_a_budget_that_a_method_cannot_take_leaves_it_out_of_the_second_table(compare, capsys):
    assert compare("--methods", "retrain,small-loss", "--seeds", "0", "--budget", "0.5") == 0
    assert re.search(r"small-loss +warmup must lie between 0 and the budget", capsys.readouterr().out)


def test_an_oracle_may_have_a_budget_of_its_own():
    assert [(each.own, each.equal) for each in entrants(["oracle@0.25", "oracle"], 0.5)] == [
        ("oracle@0.25", "oracle"), ("oracle", "oracle"),
    ]  # fmt: skip


def test_a_folder_of_something_else_is_left_alone(compare, tmp_path, capsys):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "index.html").write_text("mine")
    assert compare("--methods", "nothing", "--seeds", "0") == 1
    assert "holds something else than a comparison. Give another --out." in capsys.readouterr().err
    assert (tmp_path / "out" / "index.html").read_text() == "mine"
