"""A folder that holds a model of the transformers library: checked, before anything is built from it.

Nothing is fetched, and no code of the folder is run: classes are those of the installed library, weights are
safetensors.
"""

import hashlib
import json
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any

from unchaff.errors import ModelError, UnchaffError
from unchaff.extras import library

CONFIG = "config.json"
WEIGHTS, SHARDS = "model.safetensors", "model.safetensors.index.json"
PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.h5", "*.msgpack", "*.pkl")
PROCESSOR = ("preprocessor_config.json", "processor_config.json")
TOKENIZER = (
    "tokenizer.json", "vocab.txt", "vocab.json", "spiece.model", "sentencepiece.bpe.model", "tokenizer.model",
)  # fmt: skip
TOKENIZER_TOO = ("tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "merges.txt")
BESIDE = (CONFIG, *PROCESSOR, *TOKENIZER, *TOKENIZER_TOO)  # all that a network needs beside its weights
TASKS: Mapping[str, str] = MappingProxyType(
    {
        "image": "MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES",
        "audio": "MODEL_FOR_AUDIO_CLASSIFICATION_MAPPING_NAMES",
        "text": "MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES",
    }
)
NOT_OURS = ("auto_map", "attn_implementation", "experts_implementation")  # may name code to fetch and run
PLURAL: Mapping[str, str] = MappingProxyType({"image": "images", "audio": "sound", "text": "texts"})


@dataclass(frozen=True)
class Folder:
    """A folder whose `config.json` names a network that classifies images, sound or texts."""

    path: Path
    settings: Mapping[str, Any]  # of config.json
    task: str  # "image", "audio" or "text"
    config: Any  # the library's, of these settings
    network_class: Any  # the library's

    @property
    def num_labels(self) -> int:
        """Number of outputs."""
        return int(self.config.num_labels)

    @property
    def class_names(self) -> tuple[str, ...] | None:
        """Names of the outputs; None where the folder has none but LABEL_0, LABEL_1, ..."""
        names = tuple(str(self.config.id2label[place]) for place in range(self.num_labels))
        has_names = any(name != f"LABEL_{place}" for place, name in enumerate(names))
        return names if has_names else None

    @property
    def weights(self) -> tuple[Path, ...]:
        """The files that hold the weights.

        Raises:
            ModelError: there are none, or only such that may run code.
        """
        if (self.path / WEIGHTS).is_file():
            return (self.path / WEIGHTS,)
        if (self.path / SHARDS).is_file():
            return self._shards()
        pickles = sorted(file.name for pattern in PICKLES for file in self.path.glob(pattern))
        what = (
            f"holds its weights as {pickles[0]}, which may run code and is not read" if pickles
            else f"holds no {WEIGHTS}"
        )  # fmt: skip
        raise ModelError(
            f"{self.path} {what}. Save it again with model.save_pretrained(folder), as safetensors."
        )

    def _shards(self) -> tuple[Path, ...]:
        named = _read_json(self.path / SHARDS).get("weight_map")
        names = sorted({str(name) for name in named.values()}) if isinstance(named, Mapping) else []
        for name in names:
            if Path(name).name != name or not name.endswith(".safetensors"):
                raise ModelError(
                    f"{self.path / SHARDS} names {name!r}. Weights lie beside it, as safetensors."
                )
        missing = [name for name in names if not (self.path / name).is_file()]
        if missing or not names:
            raise ModelError(
                f"{self.path} lacks {', '.join(missing) or 'its weights'}, which {SHARDS} names. "
                "Copy the whole folder."
            )
        return tuple(self.path / name for name in names)

    def beside(self) -> dict[str, bytes]:
        """Return all that the network needs beside its weights: settings, tokenizer, processor."""
        return {name: (self.path / name).read_bytes() for name in BESIDE if (self.path / name).is_file()}

    def hashes(self) -> dict[str, str]:
        """Return a hash of each file that decides what the network says."""
        files = {file.name: file for file in self.weights} | {
            name: self.path / name for name in self.beside()
        }
        return {name: _sha256(file) for name, file in files.items()}

    @cached_property
    def image_processor(self) -> Any:  # noqa: ANN401  the library's
        """How the folder says images are prepared.

        Raises:
            ModelError: the folder does not say, or it cannot be used here.
        """
        self._check_holds(PROCESSOR, "how images are prepared", "image_processor")
        with loading(self.path, "the image processor") as transformers:
            # Without torchvision, which is no part of this project.
            return transformers.AutoImageProcessor.from_pretrained(
                self.path, config=self.config, use_fast=False, local_files_only=True, trust_remote_code=False
            )

    @cached_property
    def extractor(self) -> Any:  # noqa: ANN401  the library's
        """How the folder says sound is prepared.

        Raises:
            ModelError: the folder does not say, or it cannot be used here.
        """
        self._check_holds(PROCESSOR, "how sound is prepared", "feature_extractor")
        with loading(self.path, "the feature extractor") as transformers:
            return transformers.AutoFeatureExtractor.from_pretrained(
                self.path, config=self.config, local_files_only=True, trust_remote_code=False
            )

    @cached_property
    def tokenizer(self) -> Any:  # noqa: ANN401  the library's
        """How the folder says texts become numbers.

        Raises:
            ModelError: the folder does not say, or it cannot be used here.
        """
        self._check_holds(TOKENIZER, "how texts become numbers", "tokenizer")
        with loading(self.path, "the tokenizer") as transformers:
            made = transformers.AutoTokenizer.from_pretrained(
                self.path, config=self.config, local_files_only=True, trust_remote_code=False
            )
        if made.pad_token_id is None:
            raise ModelError(
                f"The tokenizer of {self.path} has no padding token. Set tokenizer.pad_token and "
                "model.config.pad_token_id, and save both again."
            )
        return made

    def _check_holds(self, names: tuple[str, ...], what: str, variable: str) -> None:
        if not any((self.path / name).is_file() for name in names):
            raise ModelError(
                f"{self.path} does not say {what}: it lacks {names[0]}. Save it there: "
                f"{variable}.save_pretrained(folder)."
            )


def is_folder(spec: str | None) -> bool:
    """Whether the name of a network is that of a folder."""
    return spec is not None and Path(spec).expanduser().is_dir()


def opened(path: str | Path) -> Folder:
    """Return a model folder whose network can be built here.

    Raises:
        ConfigError: transformers is not installed.
        ModelError: it is none, or of a kind that is not supported.
    """
    path = Path(path).expanduser()
    if not (path / CONFIG).is_file():
        raise ModelError(
            f"{path} holds no {CONFIG}, so it is no Hugging Face model folder. "
            "Save one with model.save_pretrained(folder)."
        )
    settings = _read_json(path / CONFIG)
    _check_supported(path, settings)
    with loading(path, CONFIG) as transformers:
        task, network_class = _network_class(transformers, settings, path)
        config = transformers.CONFIG_MAPPING[settings["model_type"]].from_dict(_scrubbed(settings))
    if config.num_labels < 2:
        raise ModelError(f"{path} has {config.num_labels} output. Classes are needed, at least two.")
    return Folder(path, settings, task, config, network_class)


def _check_supported(path: Path, settings: Mapping[str, Any]) -> None:
    if settings.get("problem_type") in ("regression", "multi_label_classification"):
        raise ModelError(f"{path} is for {settings['problem_type']}. One class per sample is supported.")
    if settings.get("quantization_config") is not None:
        raise ModelError(f"{path} holds a quantised network, which cannot learn. Give the plain one.")
    if (path / "adapter_config.json").is_file():
        raise ModelError(f"{path} holds an adapter. Merge it into the network, and save that.")


def _network_class(transformers: ModuleType, settings: Mapping[str, Any], path: Path) -> tuple[str, Any]:
    """Return what the network classifies, and its class in the library."""
    named = settings.get("architectures")
    name = str(named[0]) if isinstance(named, list) and named else "none"
    auto = library("transformers.models.auto.modeling_auto", extra="hub", without="another --model")
    for task, mapping in TASKS.items():
        if name in _names(getattr(auto, mapping).get(settings.get("model_type"))):
            return task, getattr(transformers, name)
    raise ModelError(
        f"{path} holds the architecture {name} of type {settings.get('model_type')}, which is no network of "
        "transformers that classifies images, sound or texts, such as BertForSequenceClassification. "
        "Code in a folder is never run."
    )


def _names(found: str | tuple[str, ...] | None) -> tuple[str, ...]:
    return (found,) if isinstance(found, str) else found or ()


def _scrubbed(settings: Any) -> Any:  # noqa: ANN401  JSON
    """Return settings without those that may name code, at any depth."""
    if isinstance(settings, Mapping):
        kept = {name: each for name, each in settings.items() if not name.strip("_").startswith(NOT_OURS)}
        return {name: _scrubbed(each) for name, each in kept.items()}
    return [_scrubbed(each) for each in settings] if isinstance(settings, list) else settings


@contextmanager
def loading(path: Path, what: str) -> Iterator[ModuleType]:
    """Give the library, silent inside the block, and turn its errors into a sentence.

    Raises:
        ModelError: whatever the library raises.
    """
    transformers = library("transformers", extra="hub", without="give a network of another kind")
    said = transformers.utils.logging
    level, has_bars = said.get_verbosity(), said.is_progress_bar_enabled()
    said.set_verbosity(said.CRITICAL)
    said.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield transformers
    except UnchaffError:
        raise
    except Exception as error:  # what the library raises differs from version to version
        first = " ".join(str(error).split())[:200] or type(error).__name__
        raise ModelError(f"{path}: {what} cannot be used ({first}).") from error
    finally:
        said.set_verbosity(level)
        if has_bars:
            said.enable_progress_bar()


def _read_json(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"{file} is not readable JSON ({error}). Save the folder again.") from error
    if not isinstance(content, dict):
        raise ModelError(f"{file} holds {type(content).__name__}, not an object. Save the folder again.")
    return content


def _sha256(file: Path) -> str:
    with file.open("rb") as opened_file:
        return hashlib.file_digest(opened_file, "sha256").hexdigest()
