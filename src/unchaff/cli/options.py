"""Options that several commands share, as records to inherit from."""

from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Annotated, Literal

from typer import Option

from unchaff.errors import ConfigError

DATA = (
    "Folder of class folders, .parquet, .csv or .tsv file, folder of train.parquet and test.parquet, .npz, "
    "pkg.module:factory, or digits (built in)."
)
Device = Literal["auto", "cpu", "cuda", "mps"]


@dataclass(frozen=True, kw_only=True)
class Common:
    """What every command takes."""

    debug: Annotated[bool, Option("--debug", help="Print the traceback of an error.")] = False


@dataclass(frozen=True, kw_only=True)
class Answering(Common):
    """How a command says what came of it."""

    json: Annotated[bool, Option("--json", help="Print one JSON object, and nothing else.")] = False
    quiet: Annotated[bool, Option("--quiet", "-q", help="Print only the path of what was written.")] = False


@dataclass(frozen=True, kw_only=True)
class Columns(Answering):
    """Which columns of a table are what, and how many rows."""

    input_column: Annotated[str | None, Option(help="Column of inputs.")] = None
    label_column: Annotated[str | None, Option(help="Column of labels: integers, or names.")] = None
    id_column: Annotated[str | None, Option(help="Column of unique ids; rows are numbered without.")] = None
    group_column: Annotated[
        str | None, Option(help="Column of speakers or patients, never on both sides of a hold-out.")
    ] = None
    rows: Annotated[int | None, Option(min=1, help="Read only the first so many rows.")] = None
    strict: Annotated[
        bool, Option("--strict", help="Refuse unreadable samples instead of leaving them out.")
    ] = False


@dataclass(frozen=True, kw_only=True)
class Reading(Columns):
    """How inputs are read and prepared; what is not given is found from the data and printed."""

    lazy: Annotated[
        bool | None, Option("--lazy/--in-memory", help="Decode on access, or hold all in memory.")
    ] = None
    workers: Annotated[int, Option(min=0, help="Processes that decode on access; 0: none.")] = 2
    size: Annotated[str | None, Option(help="Height and width of images, such as 32 or 32x48.")] = None
    rate: Annotated[int | None, Option(min=1, help="Sound is resampled to so many samples per second.")] = (
        None
    )
    seconds: Annotated[float | None, Option(help="Clips are cut or padded to this length.")] = None
    mean: Annotated[str | None, Option(help="Taken off the inputs, per channel: 0.49,0.48,0.45.")] = None
    std: Annotated[str | None, Option(help="The inputs are divided by it, per channel.")] = None
    mirror: Annotated[bool | None, Option("--mirror/--no-mirror", help="A mirror image keeps its label.")] = (
        None
    )
    augment: Annotated[
        str | None, Option(help="How training changes a batch: none, pkg.module:function; else by the kind.")
    ] = None


@dataclass(frozen=True, kw_only=True)
class Network(Reading):
    """The network, and where it runs."""

    model: Annotated[
        str | None,
        Option(
            help="mlp, small-cnn, resnet18, audio-cnn, text-cnn, text-tagger, a Hugging Face model folder "
            "(extra hub) or pkg.module:factory; else by the data."
        ),
    ] = None
    weights: Annotated[
        Path | None, Option(help="safetensors, or a .pt state dict; without, it is trained first.")
    ] = None
    epochs: Annotated[int, Option(min=1, help="Of the training when there are no weights.")] = 24
    device: Annotated[Device, Option(help="Where to compute.")] = "auto"


@dataclass(frozen=True, kw_only=True)
class Experiment(Network):
    """What a repair works on, and what it is measured with."""

    test: Annotated[str | None, Option(help="Test data; else a stratified hold-out, noisy as it is.")] = None
    reference: Annotated[
        str | None, Option(help="A few samples known to be right, for methods that choose on them.")
    ] = None
    initial: Annotated[Path | None, Option(help="Weights from before the training, if you have them.")] = None
    noise: Annotated[
        str | None, Option(help="Plant KIND:RATE in the training part first, such as symmetric:0.4.")
    ] = None
    truth: Annotated[
        Path | None, Option(help="truth.parquet of planted noise; read by the evaluation only.")
    ] = None
    holdout: Annotated[float, Option(min=0.01, max=0.5, help="Share held out as noisy validation.")] = 0.1


@dataclass(frozen=True, kw_only=True)
class Job(Experiment):
    """A whole run, into a run folder."""

    seed: Annotated[int, Option(help="Same seed, same machine, same bytes (on CPU).")] = 0
    record: Annotated[
        Path | None, Option(help="Folder that a Recorder wrote while a network was trained on these data.")
    ] = None
    out: Annotated[Path | None, Option(help="Run folder; runs/<time> by default.")] = None
    overwrite: Annotated[bool, Option("--overwrite", help="Replace the run folder if it exists.")] = False
    resume: Annotated[
        bool, Option("--resume", help="Go on with the unfinished run in --out, or begin it.")
    ] = False
    fail_if_noise_above: Annotated[
        float | None, Option(min=0, max=1, help="Exit code 3 if the estimated noise rate is higher.")
    ] = None


@dataclass(frozen=True, kw_only=True)
class Placed(Job):
    """A run, and where its work is done."""

    engine: Annotated[
        Literal["here", "ray"], Option(help="Where to work: this process, or a Ray cluster (extra ray).")
    ] = "here"
    ray_address: Annotated[
        str | None, Option(help="Of the cluster, such as auto; one is started on this machine without.")
    ] = None
    ray_patience: Annotated[
        float | None, Option(min=1, help="Seconds to wait for nodes of the cluster; 300 by default.")
    ] = None
    ray_silence: Annotated[
        float | None,
        Option(min=1, help="Seconds without a finished unit after which it has failed; 900 by default."),
    ] = None
    scorers: Annotated[
        int | None, Option(min=1, help="Ray workers that look at samples; one per device by default.")
    ] = None
    trainers: Annotated[
        int | None, Option(min=1, help="Ray workers that learn together; one per device by default.")
    ] = None


def parts_of(text: str) -> list[str]:
    """Return the parts of a list such as "a,b,c"."""
    return [part.strip() for part in text.split(",") if part.strip()]


def seeds(text: str) -> tuple[int, ...]:
    """Return the seeds of a list such as "0,1,2".

    Raises:
        ConfigError: it is none.
    """
    parts = parts_of(text)
    if not parts or not all(part.isdecimal() for part in parts):
        raise ConfigError(f"--seeds must be whole numbers with commas, got {text!r}. Try 0,1,2.")
    return tuple(dict.fromkeys(map(int, parts)))


def image_size(text: str | None) -> tuple[int, int] | None:
    """Return height and width: "32" or "32x48"."""
    if text is None:
        return None
    sides = text.lower().split("x")
    if len(sides) > 2 or not all(side.isdecimal() and int(side) for side in sides):
        raise ConfigError(f"--size must be one or two whole numbers above 0, got {text!r}. Try 32 or 32x48.")
    return int(sides[0]), int(sides[-1])


def numbers(option: str, text: str | None) -> tuple[float, ...] | None:
    """Return the numbers of a list such as "0.5,0.5,0.5"."""
    if text is None:
        return None
    try:
        values = tuple(float(part) for part in text.split(","))
    except ValueError:
        values = ()
    if not values or not all(isfinite(value) for value in values):
        raise ConfigError(f"{option} must be numbers with commas, got {text!r}. Try 0.5,0.5,0.5.")
    return values
