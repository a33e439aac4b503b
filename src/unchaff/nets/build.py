"""A model spec -> a freshly built network."""

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from torch import nn

from unchaff.errors import ModelError
from unchaff.hub import is_folder
from unchaff.importing import function_of
from unchaff.nets.cnn import audio_cnn, small_cnn
from unchaff.nets.hub import from_folder
from unchaff.nets.mlp import mlp
from unchaff.nets.resnet import resnet18
from unchaff.nets.standardize import Standardize
from unchaff.nets.tagger import TAGS, TextTagger, text_tagger
from unchaff.nets.text import text_cnn
from unchaff.samples import Samples
from unchaff.streams import Streams

NETS: Mapping[str, Callable[[tuple[int, ...], int], nn.Module]] = MappingProxyType(
    {
        "mlp": mlp,
        "small-cnn": small_cnn,
        "resnet18": resnet18,
        "audio-cnn": audio_cnn,
        "text-cnn": text_cnn,
        "text-tagger": text_tagger,
    }
)
KINDS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "mlp": ("image", "audio", "tabular"),
        "small-cnn": ("image",),
        "resnet18": ("image",),
        "audio-cnn": ("audio",),
        "text-cnn": ("text",),
        "text-tagger": ("text",),
    }
)


def default_net(samples: Samples) -> str:
    """Return the name of the built-in network that suits this kind of sample."""
    if samples.tags is not None:
        return "text-tagger"
    if samples.kind.name in ("audio", "text"):
        return f"{samples.kind.name}-cnn"
    is_picture = samples.kind.name == "image" and min(samples.kind.shape[-2:]) >= 16
    return "small-cnn" if is_picture else "mlp"


def from_shape(spec: str, shape: tuple[int, ...], classes: int) -> nn.Module:
    """Return a built-in network without measured scale or chosen seed; used to load weights."""
    if spec not in NETS:
        raise ModelError(
            f"There is no network {spec!r}. Allowed: {', '.join(NETS)}, a Hugging Face model folder, or "
            "pkg.module:factory. Nothing is fetched."
        )
    return NETS[spec](shape, classes)


def built_in(model: nn.Module, samples: Samples) -> str | None:
    """Return the name of the built-in network that this is, by its modules and shapes; None: none."""
    for name, kinds in KINDS.items():
        if samples.kind.name in kinds and samples.kind.layout is None:
            with Streams(0).forked_global("compare"):
                plain = from_shape(name, samples.kind.shape, samples.num_classes)
            if _built_of(plain) == _built_of(model):
                return name
    return None


def _built_of(model: nn.Module) -> tuple[object, ...]:
    shapes = {name: tuple(each.shape) for name, each in model.state_dict().items()}
    return [type(each) for each in model.modules()], str(model), shapes


def build(spec: str, samples: Samples, *, streams: Streams, measures: bool = True) -> nn.Module:
    """Return a freshly initialised network that fits these samples.

    Args:
        spec: a name in `NETS`; or `pkg.module:factory`, which is called with `num_classes` and
            `input_shape`, or with nothing if it takes nothing; or a Hugging Face model folder, whose
            weights come with it.
        samples: give the input shape, the classes and, for built-in networks, the input scale.
        streams: seeds the initial weights; the global RNG is restored.
        measures: the scale of the inputs, which takes a pass over them; weights that are loaded bring theirs.

    Raises:
        ModelError: unknown name, a network of the wrong kind, a factory that fails.
    """
    if spec not in NETS and is_folder(spec):
        return from_folder(Path(spec), samples).to(samples.device)
    with streams.forked_global("init"):
        if ":" in spec:
            return from_factory(spec, samples.kind.shape, samples.num_classes).to(samples.device)
        if spec in KINDS and samples.kind.name not in KINDS[spec]:
            raise ModelError(
                f"{spec} takes {' or '.join(KINDS[spec])}, but the data are {samples.kind}. "
                f"Use --model {default_net(samples)}."
            )
        model = from_shape(spec, samples.kind.shape, samples.num_classes)
    if isinstance(model, TextTagger) and samples.tags is not None and len(samples.tags.names) > TAGS:
        raise ModelError(
            f"{spec} tells {TAGS} tags apart, and the data have {len(samples.tags.names)}. Give a network of "
            "your own, or leave their column out."
        )
    for module in model.modules():
        if measures and isinstance(module, Standardize):
            module.measure(samples)
    return model.to(samples.device)


def from_factory(spec: str, input_shape: tuple[int, ...], num_classes: int) -> nn.Module:
    """Return what the user's function makes.

    Raises:
        ModelError: it cannot be found or called, fails, or returns something else.
    """
    factory = function_of(spec, ModelError)
    given = _taken(spec, factory, {"num_classes": num_classes, "input_shape": input_shape})
    try:
        model = factory(**given)
    except (Exception, SystemExit) as error:  # whatever the owner's code raises
        raise ModelError(f"{spec} raised {type(error).__name__}: {error}. Correct it.") from error
    if not isinstance(model, nn.Module):
        raise ModelError(
            f"{spec} returned {type(model).__name__}, not a torch.nn.Module. Return the network."
        )
    return model


def _taken(spec: str, factory: Callable[..., object], given: dict[str, object]) -> dict[str, object]:
    """Return what a factory takes: all that is given, or nothing."""
    try:
        parameters = inspect.signature(factory)
    except (TypeError, ValueError):  # written in C, or it hides what it takes
        return given
    for chosen in (given, {}):
        try:
            parameters.bind(**chosen)
        except TypeError:
            continue
        return chosen
    raise ModelError(
        f"{spec} takes {parameters}. It is called with num_classes and input_shape, or with nothing: let it "
        "take both, or neither."
    )
