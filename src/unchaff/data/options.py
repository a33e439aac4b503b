"""How to read data, and what reading it gave."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from types import MappingProxyType

from unchaff import limits
from unchaff.data.prepare import Prepare
from unchaff.errors import ConfigError
from unchaff.samples import Augmentation, Samples

OF_COLUMNS = ("input_column", "label_column", "id_column", "group_column")
OF_FILES = (*OF_COLUMNS, "lazy", "size", "seconds", "length")  # say how files are read
OF_VALUES = ("rate", "mean", "std", "mirror")  # say how what was read is prepared
OF_MEDIA = ("size", "seconds")  # say how images and clips are decoded
KINDS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    dict.fromkeys(("size", "mirror"), ("image",))
    | dict.fromkeys(("rate", "seconds"), ("audio",))
    | dict.fromkeys(("mean", "std"), ("image", "audio", "tabular"))
    | {"length": ("text",)}
)  # which kinds of data an option is for; --lazy is a wish that any data may be read with


@dataclass(frozen=True, kw_only=True)
class Options:
    """How to read data; None means: found out from the data, and said."""

    input_column: str | None = None
    label_column: str | None = None
    id_column: str | None = None  # None: a column named id if its values are unique, else the row number
    group_column: str | None = None  # speaker or patient: never on both sides of a hold-out
    rows: int | None = None  # only the first so many
    strict: bool = False  # unreadable samples are an error, not left out
    lazy: bool | None = None  # decode on access; None: when the decoded data passes 2 GiB
    workers: int = 2  # processes that decode lazy data; 0: this one
    size: tuple[int, int] | None = None  # height and width of images; None: the most common
    rate: int | None = None  # samples per second of audio; None: the most common, at most 16000
    seconds: float | None = None  # length of clips; None: 95 % of the clips fit whole
    length: int | None = None  # words of a text that are read; None: 95 % of the texts fit whole
    augment: Augmentation | None = None  # how training changes a batch; None: as the kind allows
    mean: tuple[float, ...] | None = None  # taken off prepared inputs, per channel or column
    std: tuple[float, ...] | None = None  # divided by
    mirror: bool | None = None  # a mirror image keeps its label; None: for colour images only
    hub: Path | None = None  # Hugging Face model folder that says how its network takes inputs

    def __post_init__(self) -> None:
        given = {"rows": self.rows, "rate": self.rate, "seconds": self.seconds, "length": self.length}
        given |= {"size": None if self.size is None else min(self.size), "std": min(self.std or (1.0,))}
        for name, value in given.items():
            if value is not None and not value > 0:
                raise ConfigError(f"{name} must be above 0, got {value}. Leave it out to have it found out.")
        if self.hub is not None:
            self.refuse(("size", "mean", "std"), f"{self.hub} says how inputs are prepared")
        if self.size is not None and prod(self.size) > limits.PIXELS.value:
            asked = "x".join(map(str, self.size))
            raise ConfigError(f"size asks for images of {asked} pixels, {limits.PIXELS}. Take a smaller one.")
        if self.seconds is not None and self.seconds > limits.SECONDS.value:
            raise ConfigError(f"seconds asks for clips of {self.seconds:g}, {limits.SECONDS}. Take less.")
        if self.workers < 0:
            raise ConfigError(f"workers must be 0 or more, got {self.workers}. 0 decodes in this process.")

    def refuse(self, names: tuple[str, ...], why: str) -> None:
        """Refuse options that would change nothing; `why` ends the first half of the sentence.

        Raises:
            ConfigError: one of these names was given.
        """
        given = [name for name in names if getattr(self, name) is not None]
        if given:
            raise ConfigError(f"{given[0]} was given, but {why}. Leave it out.")

    def refuse_unfit(self, kind: str, *, is_array: bool) -> None:
        """Refuse options that are not for this kind of data, or not for inputs that are numbers already.

        Raises:
            ConfigError: one of them was given.
        """
        unfit = tuple(name for name, kinds in KINDS.items() if kind not in kinds)
        self.refuse(unfit, f"the data are of kind {kind}")
        if is_array:
            self.refuse(OF_MEDIA, "the inputs are numbers already, in memory and of one size")


@dataclass(frozen=True)
class Skipped:
    """A sample that was left out."""

    id: int | str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """What `load` found."""

    train: Samples
    test: Samples | None
    prepare: Prepare
    skipped: tuple[Skipped, ...] = ()
    notes: tuple[str, ...] = ()  # conversions that were made
    found: str = ""  # one sentence: what was detected
