"""Weights from and to files, without ever running code named in one."""

import textwrap
import zipfile
from collections.abc import Mapping
from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor, nn

from unchaff.errors import ModelError
from unchaff.listed import listed

SUFFIXES = (".safetensors", ".pt", ".pth")
ADVICE = ("Weights only load failed", "Check the documentation", "(")  # of torch, over a file it refuses
WRAPPERS = ("state_dict", "model_state_dict", "model")  # what training scripts file the weights under


def load_weights(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a `.safetensors` file, or of a `.pt` or `.pth` state dict, on the CPU.

    Raises:
        ModelError: if the file is missing, of another kind, unreadable, or holds more than tensors.
    """
    if not path.is_file():
        raise ModelError(f"There is no weights file {path}. Give a {', '.join(SUFFIXES[:-1])} or .pth file.")
    if path.suffix.lower() not in SUFFIXES:
        raise ModelError(f"{path} ends in {path.suffix or 'nothing'}; weights may be {', '.join(SUFFIXES)}.")
    if path.suffix.lower() == ".safetensors":
        return _read_safetensors(path)
    return _without_prefix(_tensors(_read_state_dict(path), path))


def to_bytes(state: Mapping[str, Tensor]) -> bytes:
    """Return the safetensors file of these tensors; the same tensors give the same bytes."""
    # Cloned, since the format refuses tensors that share memory (tied weights).
    plain = {name: state[name].detach().cpu().contiguous().clone() for name in sorted(state)}
    return safetensors.torch.save(plain)


def load_into(model: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Copy the weights into the network, all of them or none.

    Raises:
        ModelError: if names or shapes differ; the sentence names which.
    """
    check_fit(model, state)
    model.load_state_dict(dict(state))


def check_fit(model: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Compare names and shapes; the network may be without memory, on the device `meta`.

    Raises:
        ModelError: if they differ; the sentence names where.
    """
    own = model.state_dict()
    differences = [
        *_listed("the file lacks", [name for name in own if name not in state]),
        *_listed("the network has no", [name for name in state if name not in own]),
        *_listed(
            "shapes differ in",
            [
                f"{name} (file {tuple(state[name].shape)}, network {tuple(own[name].shape)})"
                for name in own
                if name in state and state[name].shape != own[name].shape
            ],
        ),
    ]
    if differences:
        raise ModelError(
            f"The weights do not fit the network: {'; '.join(differences)}. "
            "Give the weights of this network, or name the network they belong to."
        )


def _listed(what: str, names: list[str], most: int = 3) -> list[str]:
    if not names:
        return []
    return [f"{what} {listed(names, most)}"]


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        return safetensors.torch.load_file(path)
    except (safetensors.SafetensorError, OSError, ValueError) as error:
        raise ModelError(
            f"{path} is not a readable safetensors file ({_first_line(error)}). It may be cut short: "
            "copy it again or save the weights again."
        ) from error


def _read_state_dict(path: Path) -> object:
    _check_unpacked(path)
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # what torch raises here differs from version to version
        raise ModelError(
            f"{path} is not a plain state dict, and nothing else is loaded since a pickle may run code "
            f"({_reason(error)}). Save it with torch.save(model.state_dict(), ...) or as .safetensors."
        ) from error


def _check_unpacked(path: Path) -> None:
    """Refuse an archive that unpacks to more than it is; torch never packs any tighter."""
    try:
        if not zipfile.is_zipfile(path):
            return  # of an old version of torch, which packed nothing
        with zipfile.ZipFile(path) as packed:
            size = sum(each.file_size for each in packed.infolist())
    except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise ModelError(f"{path} is a broken archive ({_first_line(error)}). Copy it again.") from error
    if size > path.stat().st_size:
        raise ModelError(
            f"{path} would unpack to {size:,} bytes, more than it has. Save it with torch.save or as "
            ".safetensors."
        )


def _tensors(loaded: object, path: Path) -> dict[str, Tensor]:
    if isinstance(loaded, Mapping):
        for wrapper in WRAPPERS:
            if isinstance(loaded.get(wrapper), Mapping):
                return _tensors(loaded[wrapper], path)
        others = [
            f"{name!r} ({type(each).__name__})" for name, each in loaded.items() if not _is_weight(name, each)
        ]
        if loaded and not others:
            return {str(name): value for name, value in loaded.items()}
        what = f"it holds {', '.join(others[:3])}" if others else "it is empty"
    else:
        what = f"it holds a {type(loaded).__name__}"
    raise ModelError(
        f"{path} is not a state dict of tensors: {what}. Save it with torch.save(model.state_dict(), ...)."
    )


def _is_weight(name: object, value: object) -> bool:
    return isinstance(name, str) and isinstance(value, Tensor)


def _without_prefix(state: dict[str, Tensor]) -> dict[str, Tensor]:
    # torch's data-parallel wrapper puts "module." before every name
    if all(name.startswith("module.") for name in state):
        return {name.removeprefix("module."): value for name, value in state.items()}
    return state


def _first_line(error: Exception) -> str:
    return _short(str(error).strip().split("\n", maxsplit=1)[0]) or type(error).__name__


def _reason(error: Exception) -> str:
    """Return what torch found in the file, without its advice to load it all the same."""
    lines = (line.strip() for line in str(error).splitlines())
    found = (line for line in lines if line and not line.startswith(ADVICE) and "weights_only" not in line)
    return _short(next(found, "").partition(". ")[0].rstrip(".")) or type(error).__name__


def _short(text: str) -> str:
    return textwrap.shorten(text, 120, placeholder=" ...")
