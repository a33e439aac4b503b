from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from unchaff.errors import ModelError
from unchaff.runs.weights import load_into, load_weights, to_bytes


class Code:
    """Stands for what a pickle could run."""

    def __reduce__(self):
        return (Path, ("touched",))


@pytest.mark.parametrize("suffix", [".safetensors", ".pt", ".pth"])
def test_weights_come_back(tmp_path: Path, suffix: str) -> None:
    state = dict(nn.Linear(2, 3).state_dict())
    file = tmp_path / f"w{suffix}"
    if suffix == ".safetensors":
        save_file(state, file)
    else:
        torch.save(state, file)
    torch.testing.assert_close(load_weights(file), state)


@pytest.mark.parametrize("wrapper", ["state_dict", "model"])
def test_a_training_checkpoint_is_unwrapped(tmp_path: Path, wrapper: str) -> None:
    state = {f"module.{name}": value for name, value in nn.Linear(2, 3).state_dict().items()}
    torch.save({"epoch": 3, wrapper: state}, tmp_path / "w.pt")
    assert set(load_weights(tmp_path / "w.pt")) == {"weight", "bias"}


def test_a_pickle_with_code_is_refused_and_not_run(tmp_path: Path) -> None:
    torch.save({"weight": Code()}, tmp_path / "w.pt")
    with pytest.raises(ModelError, match=r"not a plain state dict.*pickle may run code"):
        load_weights(tmp_path / "w.pt")


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        (
            (
                "Weights only load failed. In PyTorch 2.6, we changed the default value of the "
                "`weights_only` argument in `torch.load` from `False` to `True`.\n\nTrying to load "
                "unsupported GLOBAL posix.system whose module posix is blocked.\n\n"
                "Check the documentation of torch.load."
            ),
            "(Trying to load unsupported GLOBAL posix.system whose module posix is blocked)",
        ),
        (
            (
                "Weights only load failed. This file can still be loaded.\n\t(1) Re-running `torch.load` "
                "with `weights_only` set to `False`\n\t(2) Alternatively\n\tWeightsUnpickler error: "
                "Unsupported global: GLOBAL a.B was not an allowed global by default. "
                "Please use add_safe_globals"
            ),
            "(WeightsUnpickler error: Unsupported global: GLOBAL a.B was not an allowed global by default)",
        ),
        ("Weights only load failed.", "(UnpicklingError)"),
        ("word " * 50, f"({'word ' * 23}...)"),
    ],
)
def test_what_torch_found_is_told_in_whole_words(tmp_path: Path, monkeypatch, said: str, kept: str) -> None:
    class UnpicklingError(Exception):
        pass

    def refuse(*_, **__):
        raise UnpicklingError(said)

    (tmp_path / "w.pt").write_bytes(b"what")
    monkeypatch.setattr(torch, "load", refuse)
    with pytest.raises(ModelError) as caught:
        load_weights(tmp_path / "w.pt")
    assert kept in str(caught.value)
    assert "weights_only" not in str(caught.value)


def test_a_whole_pickled_network_is_refused(tmp_path: Path) -> None:
    torch.save(nn.Linear(2, 3), tmp_path / "w.pt")
    with pytest.raises(ModelError, match=r"Save it with torch.save\(model.state_dict\(\)"):
        load_weights(tmp_path / "w.pt")


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ({"epoch": 3}, r"it holds 'epoch' \(int\)"),
        ([1, 2], "it holds a list"),
        ({}, "it is empty"),
        ({1: torch.zeros(1)}, r"it holds 1 \(Tensor\)"),
    ],
)
def test_other_than_tensors_is_refused(tmp_path: Path, content: object, what: str) -> None:
    torch.save(content, tmp_path / "w.pt")
    with pytest.raises(ModelError, match=rf"not a state dict of tensors: {what}"):
        load_weights(tmp_path / "w.pt")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("cut.safetensors", "not a readable safetensors file"),
        ("cut.pt", "not a plain state dict"),
        ("cut.bin", r"ends in .bin; weights may be .safetensors, .pt, .pth"),
    ],
)
def test_an_unreadable_file_is_named(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / name).write_bytes(b"garbage")
    with pytest.raises(ModelError, match=message):
        load_weights(tmp_path / name)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no weights file .*w.pt"):
        load_weights(tmp_path / "w.pt")


def test_what_does_not_fit_is_named_in_one_sentence() -> None:
    model = nn.Linear(2, 3)
    state = {"weight": torch.zeros(5, 2), "head.bias": torch.zeros(1)}
    with pytest.raises(ModelError) as caught:
        load_into(model, state)
    assert str(caught.value) == (
        "The weights do not fit the network: the file lacks bias; the network has no head.bias; "
        "shapes differ in weight (file (5, 2), network (3, 2)). "
        "Give the weights of this network, or name the network they belong to."
    )


def test_many_differences_are_cut_short() -> None:
    model = nn.Sequential(*[nn.Linear(1, 1) for _ in range(4)])
    with pytest.raises(ModelError, match=r"the file lacks 0.weight, 0.bias, 1.weight and 5 more"):
        load_into(model, {})


def test_fitting_weights_are_copied() -> None:
    model, other = nn.Linear(2, 3), nn.Linear(2, 3)
    load_into(model, other.state_dict())
    torch.testing.assert_close(model.state_dict(), other.state_dict())


def test_order_of_names_does_not_change_the_bytes() -> None:
    state = dict(nn.Linear(2, 3).state_dict())
    assert to_bytes(state) == to_bytes(dict(reversed(state.items())))
