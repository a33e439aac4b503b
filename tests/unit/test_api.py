import copy
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import unchaff
from unchaff.data.dataset import from_dataset
from unchaff.errors import ModelError, RunFolderError
from unchaff.records import Trained


def noisy_rows(count=400):
    draw = torch.Generator().manual_seed(0)
    inputs = torch.randn(count, 12, generator=draw)
    right = (inputs[:, 0] > 0).long()
    wrong = torch.rand(count, generator=draw) < 0.2
    return inputs, torch.where(wrong, 1 - right, right)


def network():
    return torch.nn.Sequential(torch.nn.Linear(12, 16), torch.nn.ReLU(), torch.nn.Linear(16, 2))


def test_repair_takes_a_module_and_a_torch_data_set_and_changes_neither():
    inputs, labels = noisy_rows()
    model = network()
    before = copy.deepcopy(model.state_dict())
    outcome = unchaff.repair(model, torch.utils.data.TensorDataset(inputs, labels))
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    assert outcome.model is not model
    assert len(outcome.quality["id"]) == len(outcome.quality["quality"]) == 400
    assert outcome.cost.flops > 0


def test_a_class_of_which_little_is_kept_is_named_in_the_notes():
    draw = torch.Generator().manual_seed(0)
    right = (torch.arange(660) % 11 + 4) // 5  # of eleven, one is of class 0, and five of each other
    inputs = torch.randn(660, 12, generator=draw) + 4 * torch.eye(3, 12)[right]
    taken = torch.rand(660, generator=draw) < 0.3
    rows = torch.utils.data.TensorDataset(inputs, torch.where(taken, 0, right))
    model = torch.nn.Sequential(torch.nn.Linear(12, 16), torch.nn.ReLU(), torch.nn.Linear(16, 3))
    outcome = unchaff.repair(model, rows)
    shares = [float(outcome.partition.kept[rows.tensors[1] == label].float().mean()) for label in range(3)]
    said = [note for note in outcome.notes if "only" in note]
    few = [label for label in range(3) if shares[label] < 0.5 * float(outcome.partition.kept.float().mean())]
    assert [note.split("'")[1] for note in said] == [str(label) for label in few]
    assert few


class Scaled(torch.nn.Module):
    """Knows the scale of the columns it was trained on, as a network behind a user's own pipeline."""

    def __init__(self, mean, std):
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("std", std)
        self.inner = network()

    def forward(self, inputs):
        return self.inner((inputs - self.mean) / self.std)


def test_a_network_is_judged_on_the_numbers_it_was_trained_on():
    """Columns of any scale, and a hold-out of other scale and fewer classes, reach it as they are."""
    rows, labels = noisy_rows()
    raw = 50 + 20 * rows
    torch.manual_seed(0)
    model = Scaled(raw.mean(0), raw.std(0))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(60):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(raw), labels).backward()
        optimizer.step()
    part = labels == 1
    right = float((model(raw[part]).argmax(1) == 1).float().mean())
    held = torch.utils.data.TensorDataset(raw[part], labels[part])
    outcome = unchaff.repair(model, torch.utils.data.TensorDataset(raw, labels), holdout=held)
    assert outcome.measured.before.accuracy == pytest.approx(right)
    learned = float((outcome.model(raw).argmax(1) == (rows[:, 0] > 0)).float().mean())
    assert learned > 0.8


@pytest.mark.parametrize("without", [torch.no_grad, torch.inference_mode])
def test_gradients_may_be_off_where_it_is_called(without):
    draw = torch.Generator().manual_seed(0)
    inputs = torch.randn(200, 8, generator=draw)
    train = unchaff.from_arrays(inputs.numpy(), (inputs[:, 0] > 0).long().numpy())
    model = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.ReLU(), torch.nn.Linear(16, 2))
    with without():
        outcome = unchaff.repair(model, train, method=unchaff.METHODS["finetune-all"])
    assert not torch.equal(outcome.model[0].weight, model[0].weight)


def test_more_can_be_said_about_the_network():
    inputs, labels = noisy_rows()
    data = unchaff.from_arrays(inputs.numpy(), labels.numpy())
    model = network()
    trained = Trained(model=model, recipe=unchaff.Recipe(epochs=12), initial=network().state_dict())
    outcome = unchaff.repair(trained, data, method=unchaff.METHODS["finetune-all"])
    whole = unchaff.repair(trained, data, method=unchaff.METHODS["retrain"])
    assert outcome.cost.flops < 0.3 * whole.cost.flops
    assert outcome.quality is None


def test_score_judges_every_sample():
    inputs, labels = noisy_rows()
    split = unchaff.score(network(), unchaff.from_arrays(inputs.numpy(), labels.numpy()))
    assert split.quality.shape == (400,)
    assert 0 <= float(split.quality.min()) <= float(split.quality.max()) <= 1
    assert {"id", "quality", "kept", "suggested_label"} <= split.table.keys()


class Sequences(torch.nn.Module):
    """Takes sequences (batch, time, features)."""

    def __init__(self):
        super().__init__()
        self.read = torch.nn.LSTM(6, 8, batch_first=True)
        self.out = torch.nn.Linear(8, 2)

    def forward(self, inputs):
        return self.out(self.read(inputs)[0][:, -1])


def words():
    return torch.nn.Sequential(torch.nn.Embedding(50, 8), torch.nn.Flatten(), torch.nn.Linear(80, 2))


@pytest.mark.parametrize(
    ("make", "inputs", "shape"),
    [
        (Sequences, torch.rand(40, 5, 6), r"\(2, 1, 5, 6\)"),
        (words, torch.arange(400).reshape(40, 10) % 50, r"\(2, 10\)"),
    ],
    ids=["sequences", "words"],
)
def test_items_that_were_taken_for_others_are_told_how_to_come_as_they_are(make, inputs, shape):
    data = torch.utils.data.TensorDataset(inputs, torch.arange(40) % 2)
    with pytest.raises(ModelError, match=rf"of shape {shape}.* give a torch data set of items \(\(x,\), y\)"):
        unchaff.score(make(), data)
    assert len(unchaff.score(make(), from_dataset([((x,), y) for x, y in data])).quality) == 40


def test_a_failure_that_has_nothing_to_do_with_items_says_nothing_of_them():
    data = torch.utils.data.TensorDataset(torch.rand(40, 5), torch.arange(40) % 2)
    with pytest.raises(ModelError, match="cannot take a batch") as raised:
        unchaff.score(network(), data)
    assert "items" not in str(raised.value)


def test_too_few_outputs_are_refused():
    inputs, labels = noisy_rows()
    data = unchaff.from_arrays(inputs.numpy(), labels.numpy() + (inputs[:, 1] > 0).numpy())
    with pytest.raises(ModelError, match="2 outputs, but the data have 3 classes"):
        unchaff.repair(network(), data)


class Part(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.first = torch.jit.script(torch.nn.Linear(12, 16))
        self.out = torch.nn.Linear(16, 2)

    def forward(self, inputs):
        return self.out(self.first(inputs))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: torch.jit.trace(network(), torch.zeros(2, 12)), "The network was made by torch.jit"),
        (Part, "The part first of the network was made by torch.jit"),
        (lambda: torch.compile(network()), r"made by torch.compile.* Give the module that was compiled"),
        (lambda: network().double(), r"are float64, and it cannot take the data.*Give model.float\(\)"),
        (lambda: network().bfloat16(), "are bfloat16, and it cannot take"),
        (lambda: torch.nn.Sequential(network(), torch.nn.Softmax(1)), "returns probabilities.*softmax out"),
    ],
    ids=["traced", "a scripted part", "compiled", "float64", "bfloat16", "softmax"],
)
def test_what_cannot_be_repaired_is_refused_in_a_sentence(make, said):
    data = unchaff.from_arrays(*(each.numpy() for each in noisy_rows(40)))
    for use in (unchaff.repair, unchaff.score):
        with pytest.raises(ModelError, match=said):
            use(make(), data)


def test_a_network_that_is_frozen_whole_is_scored_and_not_repaired():
    data = unchaff.from_arrays(*(each.numpy() for each in noisy_rows(40)))
    model = network().requires_grad_(requires_grad=False)
    with pytest.raises(ModelError, match="Every weight of the network is frozen"):
        unchaff.repair(model, data, method=unchaff.METHODS["finetune-all"])
    assert len(unchaff.score(model, data).quality) == 40


WRONG = """
import sys, torch, unchaff
from unchaff.methods.unlearn import Unlearn
data = unchaff.from_arrays(torch.rand(40, 12).numpy(), [0, 1] * 20)
model = torch.nn.Linear(12, 2)
for call in (
    lambda: unchaff.repair(lambda inputs: inputs, data),
    lambda: unchaff.score(None, data),
    lambda: unchaff.repair(unchaff.Trained(model=3), data),
    lambda: unchaff.repair(model, data, method=5),
    lambda: unchaff.repair(model, data, method="unlearn"),
    lambda: unchaff.repair(model, data, method=Unlearn),
    lambda: unchaff.load("run", model="x"),
    lambda: unchaff.score(model, torch.utils.data.DataLoader([(torch.rand(12), 0)])),
):
    try:
        call()
    except unchaff.UnchaffError as error:
        print(type(error).__name__, error)
"""


def test_arguments_of_other_types_are_refused_in_a_sentence():
    """In a process of its own, for here the annotations are checked before anything runs."""
    source = str(Path(unchaff.__file__).parents[1])
    said = subprocess.run(  # noqa: S603
        [sys.executable, "-c", WRONG],
        env={**os.environ, "PYTHONPATH": source},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    assert [line.partition(". ")[0] for line in said] == [
        "ModelError The network is of type function, which cannot be trained",
        "ModelError The network is of type NoneType, which cannot be trained",
        "ModelError The network is of type int, which cannot be trained",
        "ConfigError method must be a repair method, got 5",
        "ConfigError method must be a repair method, got 'unlearn'",
        "ConfigError method must be a repair method, got the class Unlearn",
        "ModelError The network is of type str, which cannot be trained",
        "DataError A DataLoader gives batches, and samples are read one by one",
    ]


def test_load_refuses_what_is_no_run_folder(tmp_path):
    with pytest.raises(RunFolderError, match="There is no run folder"):
        unchaff.load(tmp_path / "nothing")


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'nothing_of_that_name'"):
        unchaff.nothing_of_that_name  # noqa: B018
