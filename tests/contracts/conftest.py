"""Finds every attributor, partitioner and pruner of the package, and compares what they leave behind."""

import importlib
import importlib.util
import inspect
import pkgutil
from dataclasses import MISSING, dataclass, fields

import numpy as np
import pytest
import torch

import unchaff.attribute
import unchaff.partition
import unchaff.prune
from unchaff.data.prepare import Pixels
from unchaff.data.sources import in_memory, on_disk
from unchaff.interfaces import Attributor, Partitioner, Pruner
from unchaff.methods import METHODS
from unchaff.records import Observed
from unchaff.samples import canonical

STAGES = {
    "attributor": (unchaff.attribute, Attributor),
    "partitioner": (unchaff.partition, Partitioner),
    "pruner": (unchaff.prune, Pruner),
}

LIBRARIES = {"confident-learning": "cleanlab"}  # of extras, by the method that needs them


def with_library(name, method):
    """Return a method as a parameter; it is skipped where its library is missing."""
    needs = LIBRARIES.get(name)
    missing = needs is not None and importlib.util.find_spec(needs) is None
    reason = f"{needs} (extra baselines) is not installed"
    return pytest.param(method, id=name, marks=[pytest.mark.skip(reason=reason)] if missing else [])


def needs_nothing(kind):
    """Whether a class has defaults for all; those that wrap another one have tests of their own."""
    return all(each.default is not MISSING or each.default_factory is not MISSING for each in fields(kind))


def members(stage):
    """Return the classes of a stage's folder that are called as its Protocol says."""
    package, protocol = STAGES[stage]
    wanted = list(inspect.signature(protocol.__call__).parameters)
    found = []
    for info in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        module = importlib.import_module(info.name)
        found += [
            kind
            for _, kind in inspect.getmembers(module, inspect.isclass)
            if kind.__module__ == info.name
            and "__call__" in vars(kind)
            and list(inspect.signature(kind.__call__).parameters) == wanted
            and needs_nothing(kind)
        ]
    return found


def pytest_generate_tests(metafunc):
    for stage in set(STAGES) & set(metafunc.fixturenames):
        kinds = members(stage)
        assert kinds, f"no {stage} was found"
        metafunc.parametrize(stage, [kind() for kind in kinds], ids=[kind.__name__ for kind in kinds])
    if "method" in metafunc.fixturenames:
        metafunc.parametrize("method", [with_library(*item) for item in METHODS.items()])


def footprint(model):
    """Return all that a caller could find changed on a network, as something to compare."""
    hooks = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return {
        "weights": {name: tensor.numpy().tobytes() for name, tensor in model.state_dict().items()},
        "modes": [module.training for module in model.modules()],
        "hooks": [list(getattr(module, kind)) for module in model.modules() for kind in hooks],
        "learns": [parameter.requires_grad for parameter in model.parameters()],
        "gradients": [parameter.grad is None for parameter in model.parameters()],
        "layout": [tensor.stride() for tensor in model.state_dict().values()],
    }


def surroundings():
    return {
        "torch": torch.random.get_rng_state().numpy().tobytes(),
        "numpy": repr(np.random.get_state()),  # noqa: NPY002 - the global one is what must stay
        "threads": torch.get_num_threads(),
        "grad": torch.is_grad_enabled(),
    }


@pytest.fixture
def watched(monkeypatch):
    """Return a function that makes a call and asserts that nothing of the caller's changed."""

    def call(function, trained, observed, *rest, **options):
        calls = []
        monkeypatch.setattr(torch, "set_num_threads", calls.append)
        monkeypatch.setattr(torch, "set_num_interop_threads", calls.append)
        model, labels = trained.model, observed.train.labels.clone()
        model[0].train()  # modes of the caller's own, and a weight that does not learn
        model[0][0].weight.requires_grad_(requires_grad=False)
        handle = model[2].register_forward_hook(lambda *_: None)
        try:
            before = footprint(model), surroundings()
            result = function(trained, observed, *rest, **options)
            after = footprint(model), surroundings()
        finally:
            handle.remove()
            model.eval().requires_grad_(requires_grad=True)
        for side in (0, 1):
            changed = [key for key in before[side] if before[side][key] != after[side][key]]
            assert not changed, f"changed: {changed}"
        assert not calls, "the number of threads was set"
        assert torch.equal(labels, observed.train.labels)
        return result

    return call


@dataclass(frozen=True)
class Pictures:
    """Decoded one by one, as from files."""

    inputs: torch.Tensor

    def __len__(self):
        return len(self.inputs)

    def __getitem__(self, row):
        return self.inputs[row]


@pytest.fixture(scope="session")
def again(toy):
    """Return the toy's samples made anew from rows in any order, in memory or decoded on access."""
    train = toy.observed.train

    def build(order, source_of):
        rows = np.asarray(order)
        samples = canonical(
            train.ids[rows],
            train.labels[torch.from_numpy(rows)],
            class_names=train.class_names,
            kind=train.kind,
            source=source_of(train.source.raw(rows)),
        )
        return Observed(train=samples)

    return build


@pytest.fixture(scope="session")
def permuted(again):
    order = np.random.default_rng(0).permutation(600)
    return again(order, lambda inputs: in_memory(inputs, Pixels()))


@pytest.fixture(scope="session")
def lazy(again):
    return again(np.arange(600), lambda inputs: on_disk(Pictures(inputs), Pixels(), workers=0))


def same(left, right):
    """Compare two results of a stage byte by byte, apart from the seconds they took."""
    if isinstance(left, torch.Tensor):
        return torch.equal(left.nan_to_num(9e9), right.nan_to_num(9e9))
    if isinstance(left, np.ndarray):
        return np.array_equal(left, right)
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    return left == right


@pytest.fixture
def assert_same():
    def check(left, right, *, without=("cost",)):
        assert type(left) is type(right)
        for name in vars(left).keys() - set(without):
            assert same(getattr(left, name), getattr(right, name)), f"{name} differs"

    return check
