"""Networks of the transformers library: from a model folder with its weights, and from a run folder."""

import json
from pathlib import Path

from torch import nn

from unchaff.errors import ModelError
from unchaff.hub import CONFIG, PLURAL, loading, opened
from unchaff.listed import listed
from unchaff.samples import Samples
from unchaff.streams import Streams

LIBRARY = "transformers."
SHOWN = 3  # names of weights in a message


def is_of_hub(model: nn.Module) -> bool:
    """Whether a network is one of the transformers library, and so most likely began pretrained."""
    return hasattr(model, "base_model_prefix")


def from_folder(path: Path, samples: Samples | None = None) -> nn.Module:
    """Return the trained network of a model folder, in single precision and evaluation mode.

    Args:
        path: a folder with `config.json` and safetensors; nothing is fetched, no code of it is run.
        samples: what it is to take, if that is to be checked.

    Raises:
        ModelError: the folder is none, its weights are no safetensors or incomplete, or it is for other
            samples.
    """
    folder = opened(path)
    if samples is not None:
        _check_takes(path, folder.task, folder.num_labels, samples)
    weights = folder.weights
    with loading(folder.path, weights[0].name), Streams(0).forked_global("hub"):
        model, about = folder.network_class.from_pretrained(
            folder.path,
            config=folder.config,
            local_files_only=True,
            use_safetensors=True,
            trust_remote_code=False,
            output_loading_info=True,
        )
    missing = sorted(about["missing_keys"])
    if missing:
        raise ModelError(
            f"The weights in {folder.path} lack {listed(missing, SHOWN)}: it was not trained to "
            "classify. Fine-tune it first, and give the folder that gave."
        )
    # Random spans that some networks blank while they learn: they draw from a generator no seed of ours
    # reaches, and fail on short clips. Training blanks out spans of its own.
    if getattr(model.config, "apply_spec_augment", False):
        model.config.apply_spec_augment = False
    return model.float().eval()


def _check_takes(path: Path, task: str, outputs: int, samples: Samples) -> None:
    if samples.kind.name not in (task, "packed"):
        raise ModelError(
            f"{path} takes {PLURAL[task]}, but the data are {samples.kind}. Use another --model."
        )
    if outputs != samples.num_classes:
        raise ModelError(
            f"{path} tells {outputs} classes apart, but the data have {samples.num_classes} classes. "
            "Give data of the same classes."
        )


def rebuilt(path: Path) -> nn.Module:
    """Return the network that the `config.json` of a folder describes, without its weights."""
    folder = opened(path)
    with loading(folder.path, CONFIG), Streams(0).forked_global("hub"):
        model: nn.Module = folder.network_class(folder.config)
    return model.float().eval()


def described(model: nn.Module) -> dict[str, bytes]:
    """Return the `config.json` from which a network of the library can be built again; else nothing."""
    if not (is_of_hub(model) and type(model).__module__.startswith(LIBRARY)):
        return {}
    settings = {**model.config.to_dict(), "architectures": [type(model).__name__]}  # type: ignore[operator, union-attr]
    return {CONFIG: (json.dumps(settings, indent=2, default=str) + "\n").encode()}
